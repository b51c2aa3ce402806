// npm run test:sanitize: the C++ tests with address and undefined-behaviour sanitizers.
import { runCppTests } from './cpp-tests.mjs'
import { setupCpp } from './setup.mjs'
import { runScript } from './steps.mjs'

await runScript(async () => {
  await setupCpp()
  await runCppTests(
    'sanitize',
    [
      '-DCMAKE_BUILD_TYPE=RelWithDebInfo',
      '-DCMAKE_CXX_FLAGS_RELWITHDEBINFO=-O1 -g1',
      '-DTRTLLM_NODE_SANITIZE=address,undefined',
    ],
    {
      ASAN_OPTIONS: 'detect_stack_use_after_return=1',
      UBSAN_OPTIONS: 'print_stacktrace=1',
    },
  )
})
