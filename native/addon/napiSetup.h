/// The only file that includes napi.h, with what the addon assumes of it.
#pragma once

/// The highest version that Node 20 has; a higher one crashes there.
#define NAPI_VERSION 9
/// Errors are C++ exceptions, and whatever else leaves a callback becomes a JavaScript exception as well.
#define NODE_ADDON_API_CPP_EXCEPTIONS_ALL
/// A call into an environment that is being torn down fails; without this the failure ends the process.
#define NODE_API_SWALLOW_UNTHROWABLE_EXCEPTIONS
#define NODE_ADDON_API_DISABLE_DEPRECATED

#include <napi.h>
