#include <duckdb.h>
#include <sqlite3.h>
#include <stdlib.h>
#include <xgboost/c_api.h>
#include <yyjson.h>

#include "base/cpu.h"
#include "cli/parse.h"
#include "model/model.h"

int version_print(FILE *out, bool json, struct error *error)
{
    char xgboost[32], cpu[CPU_NAME_SIZE];
    const char *kernel, *why;
    int code = model_kernel_default(&kernel, &why, error);
    if (code)
        return code;
    int major, minor, patch;
    XGBoostVersion(&major, &minor, &patch);
    snprintf(xgboost, sizeof xgboost, "%d.%d.%d", major, minor, patch);
    const char *duckdb = duckdb_library_version();
    duckdb += *duckdb == 'v';
    cpu_name(cpu);
    if (!json) {
        fprintf(out, "shrike %s\nDuckDB %s, XGBoost %s, SQLite %s, yyjson %s\n", SHRIKE_VERSION, duckdb,
                xgboost, sqlite3_libversion(), YYJSON_VERSION_STRING);
        fprintf(out, "kernel %s, as %s; %s, %d processors,%s%s\n", kernel, why, cpu, cpu_count(),
                cpu_has_avx2() ? " AVX2" : " no AVX2", cpu_has_avx512() ? " AVX-512" : "");
        return OK;
    }
    yyjson_mut_doc *document = yyjson_mut_doc_new(NULL);
    yyjson_mut_val *root = yyjson_mut_obj(document);
    yyjson_mut_doc_set_root(document, root);
    yyjson_mut_obj_add_str(document, root, "shrike", SHRIKE_VERSION);
    yyjson_mut_obj_add_str(document, root, "duckdb", duckdb);
    yyjson_mut_obj_add_str(document, root, "xgboost", xgboost);
    yyjson_mut_obj_add_str(document, root, "sqlite", sqlite3_libversion());
    yyjson_mut_obj_add_str(document, root, "yyjson", YYJSON_VERSION_STRING);
    yyjson_mut_obj_add_str(document, root, "kernel", kernel);
    yyjson_mut_obj_add_str(document, root, "cpu", cpu);
    yyjson_mut_obj_add_int(document, root, "processors", cpu_count());
    yyjson_mut_obj_add_bool(document, root, "avx2", cpu_has_avx2());
    yyjson_mut_obj_add_bool(document, root, "avx512", cpu_has_avx512());
    char *text = yyjson_mut_write(document, 0, NULL);
    yyjson_mut_doc_free(document);
    if (!text)
        return error_set(error, CODE_MEMORY, "no memory to print the version");
    fprintf(out, "%s\n", text);
    free(text);
    return OK;
}
