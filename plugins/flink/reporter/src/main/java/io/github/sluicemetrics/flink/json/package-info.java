/**
 * JSON written without allocating and read without a library. It knows nothing of records or documents.
 */
package io.github.sluicemetrics.flink.json;
