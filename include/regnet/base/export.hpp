// REGNET_API: in front of the namespace of a header whose functions are compiled into the library: a shared library shows these symbols and no others.
#pragma once

#define REGNET_API [[gnu::visibility("default")]]
