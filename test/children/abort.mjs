// Loads engines, then crashes: that must look as it would without them. Argument: engines.
import { Engine } from '../../dist/index.js'

await Engine.load(process.argv[2])
process.abort()
