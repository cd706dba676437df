/* regnet in C: a checkpoint's path in, logits or the likeliest classes out.
 *
 * A function that can fail returns a regnet_status, and on failure regnet_last_error() says where, what, what was expected and what was found. No exception leaves this
 * interface, and results are written only on success. NULL where a pointer is needed is REGNET_INVALID_ARGUMENT, never a crash.
 *
 * A regnet_model is immutable and may be used by any number of threads at once. A regnet_session belongs to one caller at a time, may move between threads, and outlives
 * its model if need be. */
#ifndef REGNET_REGNET_H
#define REGNET_REGNET_H

#include <stddef.h>
#include <stdint.h>

#if defined(__GNUC__)
#define REGNET_C_API __attribute__((visibility("default")))
#else
#define REGNET_C_API
#endif

#ifdef __cplusplus
extern "C" {
#endif

/* How a call ended. */
typedef enum regnet_status {
  REGNET_OK = 0,               /* done */
  REGNET_INVALID_ARGUMENT = 1, /* a value the caller chose cannot be used */
  REGNET_NOT_FOUND = 2,        /* a file, model or name that does not exist */
  REGNET_IO = 3,               /* the operating system refused */
  REGNET_BAD_FORMAT = 4,       /* foreign bytes that are damaged or hostile */
  REGNET_UNSUPPORTED = 5,      /* well-formed, but nothing here can handle it */
  REGNET_MISMATCH = 6,         /* two inputs do not belong together */
  REGNET_NUMERIC = 7,          /* a value that makes the result meaningless: NaN or infinity */
  REGNET_OUT_OF_MEMORY = 8,    /* not enough memory */
  REGNET_INTERNAL = 9          /* none of these: a fault of the library */
} regnet_status;

typedef struct regnet_model regnet_model;     /* a network that can run, with its preprocessing and class names: regnet_open to regnet_close */
typedef struct regnet_session regnet_session; /* memory and threads for one caller: regnet_session_open to regnet_session_close */

/* What may be chosen when a model is opened. Set `size` to sizeof(regnet_options) and everything else to 0 or NULL, which are the defaults. */
typedef struct regnet_options {
  size_t size;             /* of this struct, by which a later library knows which fields there are */
  const char* model;       /* a name or design that the weights must fit; NULL: recognised from their shapes */
  const char* preset;      /* preprocessing: "mmcls", "pycls", ...; NULL: what the file says, or its framework's */
  const char* weights_key; /* entry of a PyTorch file: "auto", "model", "ema", ... */
  const char* backend;     /* "auto", "own", "onednn", "reference" */
  const char* precision;   /* "auto", "f32", "bf16", "int8"; NULL: f32 */
  int classes;             /* that the weights must have; 0: any */
  int batch;               /* of the sessions to come, for which weights are packed; 0: 1. Others work too, after more packing */
  int threads;             /* likewise; 0: as many as this process may use */
} regnet_options;

/* A class and how likely it is. */
typedef struct regnet_prediction {
  int class_index; /* from 0 */
  float logit;
  double probability; /* softmax */
  const char* name;   /* NULL when the class has none; valid as long as the model */
} regnet_prediction;

/* "0.1.0" */
REGNET_C_API const char* regnet_version(void);

/* What went wrong in this thread's last call that failed; "" when none has. Valid until this thread's next call that fails. */
REGNET_C_API const char* regnet_last_error(void);

/* Opens a safetensors or PyTorch checkpoint or a plan of `regnet compile`: network, framework and preprocessing are recognised. `options` may be NULL.
 * On success `*model` must be freed by regnet_close. */
REGNET_C_API regnet_status regnet_open(const char* path, const regnet_options* options, regnet_model** model);
/* Frees a model; NULL is ignored. */
REGNET_C_API void regnet_close(regnet_model* model);

/* Facts of a model; 0 or NULL for a NULL model or an index outside. Texts are valid as long as the model. */
REGNET_C_API const char* regnet_name(const regnet_model* model);                        /* "regnetx_400mf", or a design */
REGNET_C_API int regnet_classes(const regnet_model* model);                             /* logits per image */
REGNET_C_API const char* regnet_class_name(const regnet_model* model, int class_index); /* NULL when the class has none */
REGNET_C_API size_t regnet_input_size(const regnet_model* model);                       /* floats per image: 3 x height x width */
REGNET_C_API int regnet_input_height(const regnet_model* model);                        /* pixels */
REGNET_C_API int regnet_input_width(const regnet_model* model);                         /* pixels */
REGNET_C_API const char* regnet_warning(const regnet_model* model, int index);          /* what is odd in the file or process; NULL after the last */

/* The network's input, 3 x height x width floats as the model's preprocessing makes them: of the bytes of a JPEG or PNG file, or of 8-bit RGB pixels whose rows are
 * `row_bytes` apart. `input_size` is the number of floats there is room for and must be regnet_input_size(). */
REGNET_C_API regnet_status regnet_preprocess(const regnet_model* model, const void* file_bytes, size_t count, float* input, size_t input_size);
REGNET_C_API regnet_status regnet_preprocess_rgb(const regnet_model* model, const uint8_t* rgb, int width, int height, size_t row_bytes, float* input,
                                                 size_t input_size);

/* A session for `batch` images a run (1 to 4096) on `threads` threads (0: as many as this process may use). */
REGNET_C_API regnet_status regnet_session_open(const regnet_model* model, int batch, int threads, regnet_session** session);
/* Frees a session; NULL is ignored. */
REGNET_C_API void regnet_session_close(regnet_session* session);

/* batch x 3 x height x width floats in, batch x classes logits out, row-major; the two sizes are numbers of floats. */
REGNET_C_API regnet_status regnet_run(regnet_session* session, const float* images, size_t images_size, float* logits, size_t logits_size);

/* The `count` likeliest classes of regnet_classes() logits, best first; there must be that many classes. */
REGNET_C_API regnet_status regnet_top(const regnet_model* model, const float* logits, size_t logits_size, regnet_prediction* predictions, int count);

/* Preprocesses, runs and ranks the bytes of one JPEG or PNG file. The session must be of this model and have batch 1. */
REGNET_C_API regnet_status regnet_classify(const regnet_model* model, regnet_session* session, const void* file_bytes, size_t count,
                                           regnet_prediction* predictions, int prediction_count);

#ifdef __cplusplus
}
#endif

#endif
