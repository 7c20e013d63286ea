/*
 * The numbers of the Parquet format that Shrike writes, as its thrift definition gives them
 * (https://github.com/apache/parquet-format, parquet.thrift). For src/table only.
 */
#ifndef SHRIKE_TABLE_PARQUET_FORMAT_H
#define SHRIKE_TABLE_PARQUET_FORMAT_H

enum parquet_physical {
    PARQUET_BOOLEAN = 0,
    PARQUET_INT32 = 1,
    PARQUET_INT64 = 2,
    PARQUET_FLOAT = 4,
    PARQUET_DOUBLE = 5,
    PARQUET_BYTE_ARRAY = 6,
    PARQUET_FIXED = 7, /* FIXED_LEN_BYTE_ARRAY, here always of 16 bytes */
};

enum parquet_encoding {
    PARQUET_PLAIN = 0,
    PARQUET_RLE = 3,
    PARQUET_DELTA = 5, /* DELTA_BINARY_PACKED */
    PARQUET_DICTIONARY = 8,
};

enum parquet_codec { PARQUET_UNCOMPRESSED = 0, PARQUET_LZ4_RAW = 7 };

enum parquet_page { PARQUET_DATA_PAGE = 0, PARQUET_DICTIONARY_PAGE = 2 };

/* ConvertedType: the older annotation, which readers without LogicalType go by. */
enum parquet_converted {
    PARQUET_NONE = -1,
    PARQUET_UTF8 = 0,
    PARQUET_DECIMAL = 5,
    PARQUET_DATE = 6,
    PARQUET_TIMESTAMP_MICROS = 10,
    PARQUET_UINT_8 = 11,
    PARQUET_UINT_16 = 12,
    PARQUET_UINT_32 = 13,
    PARQUET_UINT_64 = 14,
    PARQUET_INT_8 = 15,
    PARQUET_INT_16 = 16,
};

#endif
