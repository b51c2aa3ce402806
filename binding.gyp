# node-gyp, prebuildify and node-gyp-build start here; all that happens is in CMakeLists.txt.
{
  'targets': [
    {
      'target_name': 'trtllm_node',
      'type': 'none',
      'actions': [
        {
          'action_name': 'cmake',
          'inputs': [],
          'outputs': ['<(PRODUCT_DIR)/always-run'],
          'action': [
            'node', '<!(node -p "require.resolve(\'cmake-js/bin/cmake-js\')")', 'build',
            '--out', 'build/cmake/<(CONFIGURATION_NAME)', '--config', '<(CONFIGURATION_NAME)',
          ],
        },
      ],
    },
  ],
}
