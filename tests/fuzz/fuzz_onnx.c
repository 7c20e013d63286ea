/* Fuzzing of ONNX models of trees (libFuzzer). */
#include "use_model.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    use_bytes(data, size);
    return 0;
}
