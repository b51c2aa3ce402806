// npm run test:sanitize: the C++ tests with address and undefined-behaviour sanitizers, then those that use threads with
// the thread sanitizer.
import { runCppTests } from './cpp-tests.mjs'
import { setupCpp } from './setup.mjs'
import { runScript } from './steps.mjs'

const THREADED = 'Executor.*:Statistics.*:RequestQueue.*:ThreadPool*.*:RandomSchedules.*'

/** Optimised a little, so that the tests end soon; with lines in the reports. */
const BUILD = ['-DCMAKE_BUILD_TYPE=RelWithDebInfo', '-DCMAKE_CXX_FLAGS_RELWITHDEBINFO=-O1 -g1']

await runScript(async () => {
  await setupCpp()
  await runCppTests('sanitize', [...BUILD, '-DTRTLLM_NODE_SANITIZE=address,undefined'], {
    ASAN_OPTIONS: 'detect_stack_use_after_return=1',
    UBSAN_OPTIONS: 'print_stacktrace=1',
  })
  await runCppTests('sanitize-thread', [...BUILD, '-DTRTLLM_NODE_SANITIZE=thread'], {
    TSAN_OPTIONS: 'halt_on_error=1',
    GTEST_FILTER: THREADED,
  })
})
