/** An adapter as a table for people. */
import type { AdapterDescription, ModuleDescription } from '../lora/describe.js'
import { LORA_MODULE_IDS } from '../lora/modules.js'

const FORMS = { peft: 'PEFT', 'tensorrt-llm': 'TensorRT-LLM' }
const HEAD = ['module', 'component', 'layers', 'rank', 'scale', 'in × out']

export function descriptionText(description: AdapterDescription): string {
  const { folder, form, baseModel, dora, dtypes, parameters, bytes, modules, refused } = description
  const size = `${sizeText(bytes)}, ${dtypes.join(' and ')}`
  const facts: [string, string][] = [
    ['folder', folder],
    ['form', `${FORMS[form]}, ${dora ? 'DoRA' : 'LoRA'}`],
    ['base model', baseModel ?? 'not said'],
    ['size', parameters === null ? size : `${parameters.toLocaleString('en')} parameters, ${size}`],
  ]
  const lines = [
    ...facts.map(([name, value]) => `${name.padEnd(12)}${value}`),
    '',
    ...columns([HEAD, ...rows(modules)]),
  ]
  if (refused.length > 0)
    lines.push('', 'cannot be applied:', ...refused.map(({ name, reason }) => `  ${name}: ${reason}`))
  return `${lines.join('\n')}\n`
}

function sizeText(bytes: number): string {
  return bytes < 1e6 ? `${(bytes / 1e3).toFixed(1)} kB` : `${(bytes / 1e6).toFixed(1)} MB`
}

/** One row for all layers in which a module looks alike. */
function rows(modules: readonly ModuleDescription[]): string[][] {
  const groups = new Map<string, ModuleDescription[]>()
  for (const module of [...modules].sort(inOrder)) {
    const key = row(module, '').join('|')
    groups.set(key, [...(groups.get(key) ?? []), module])
  }
  return [...groups.values()].map((group) =>
    row(group[0] as ModuleDescription, ranges(group.map(({ layer }) => layer))),
  )
}

function inOrder(a: ModuleDescription, b: ModuleDescription): number {
  const component = (b.component ?? '').localeCompare(a.component ?? '') // encoder first
  return component || LORA_MODULE_IDS[a.module] - LORA_MODULE_IDS[b.module] || a.layer - b.layer
}

function row({ module, component, rank, scale, in: input, out }: ModuleDescription, layers: string): string[] {
  const shown = scale === null ? 'folded' : String(Number(scale.toPrecision(6)))
  return [module, component ?? '-', layers, String(rank), shown, input === null ? '-' : `${input} × ${out}`]
}

/** 0, 1, 2, 5 as "0-2, 5". */
function ranges(layers: readonly number[]): string {
  const found: [number, number][] = []
  for (const layer of layers) {
    const last = found.at(-1)
    if (last !== undefined && layer === last[1] + 1) last[1] = layer
    else found.push([layer, layer])
  }
  return found.map(([from, to]) => (from === to ? `${from}` : `${from}-${to}`)).join(', ')
}

function columns(table: readonly string[][]): string[] {
  const widths = HEAD.map((_, i) => Math.max(...table.map((cells) => (cells[i] ?? '').length)))
  return table.map((cells) =>
    cells
      .map((cell, i) => cell.padEnd(widths[i] ?? 0))
      .join('  ')
      .trimEnd(),
  )
}
