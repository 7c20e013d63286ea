/* Fuzzing of models in JSON: XGBoost's and Shrike's own (libFuzzer). */
#include "use_model.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    use_bytes(data, size);
    return 0;
}
