// Asks the cache for a checkpoint once a moment has come. Arguments: model, cache folder, moment in milliseconds.
// Prints the folder. Run by convert-cache.test.ts, many at once.
import { checkpointFor } from '../../dist/convert/cache.js'

const [model, cacheFolder, moment] = process.argv.slice(2)
await new Promise((resolve) => setTimeout(resolve, Number(moment) - Date.now()))
console.log(await checkpointFor(model, { cacheFolder }))
