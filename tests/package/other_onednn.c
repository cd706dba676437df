/* A oneDNN of another version or runtime, as far as anybody asks: it is preloaded before the real one. */
#include <stdlib.h>

#include <oneapi/dnnl/dnnl.h>

static int number(const char* name, int otherwise) {
  const char* text = getenv(name);
  return text == NULL ? otherwise : atoi(text);
}

const dnnl_version_t* DNNL_API dnnl_version(void) {
  static dnnl_version_t version;
  version.major = number("OTHER_MAJOR", DNNL_VERSION_MAJOR);
  version.minor = number("OTHER_MINOR", DNNL_VERSION_MINOR);
  version.cpu_runtime = (unsigned)number("OTHER_RUNTIME", DNNL_CPU_RUNTIME);
  return &version;
}
