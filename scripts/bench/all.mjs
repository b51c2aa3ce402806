// npm run bench: all benchmarks of this package alone, one after the other. Not bench:peers, which installs others.
import { runScript, show } from '../steps.mjs'

const SCRIPTS = ['streams', 'serving', 'burst', 'lora', 'border/border']

await runScript(async () => {
  for (const script of SCRIPTS) {
    console.log(`\n== ${script.split('/')[0]}`)
    await show(['node', `scripts/bench/${script}.mjs`])
  }
})
