import { defineConfig } from 'vitest/config'

export default defineConfig({
  test: {
    include: ['test/**/*.test.ts'],
    pool: 'forks',
    // an exception in a callback from the addon must fail the run instead of being lost
    execArgv: ['--force-node-api-uncaught-exceptions-policy=true'],
    testTimeout: 60_000,
    hookTimeout: 60_000,
    slowTestThreshold: 10_000,
  },
})
