// REGNET_API: in front of what is compiled into the library. A shared library shows these symbols and no others.
#pragma once

#define REGNET_API [[gnu::visibility("default")]]
