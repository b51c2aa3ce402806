/** What the doctor says: one sentence, how bad it is, and what to do. */

export type FindingStatus = 'ok' | 'note' | 'warning' | 'error'

export interface Finding {
  /** Which check; `docs/doctor.md` has a row for each. */
  check: string
  status: FindingStatus
  message: string
  remedy?: string
}

export const ok = (check: string, message: string): Finding => ({ check, status: 'ok', message })

export const note = (check: string, message: string): Finding => ({ check, status: 'note', message })

export const warning = (check: string, message: string, remedy: string): Finding => ({
  check,
  status: 'warning',
  message,
  remedy,
})

export const error = (check: string, message: string, remedy: string): Finding => ({
  check,
  status: 'error',
  message,
  remedy,
})
