// The wire form, interface 1.0: see plugins/abi. Offsets in bytes.
export const MINOR: i32 = 0;
export const BATCH_MAGIC: u32 = 0x31424c53;
export const RESULT_MAGIC: u32 = 0x31524c53;
export const HEADER: u32 = 64;
export const ROW: u32 = 32;
export const PAIR: u32 = 8;
export const REF: u32 = 8;
export const RESULT: u32 = 32;

export const enum Code { OK, BadConfig, BadBatch, RecordFailed, BatchFailed, Unsupported, Internal }
export const enum Flag { Drop = 1, Failed = 2 }

@unmanaged
export class Header {
  magic: u32; major: u16; minor: u16;
  records: u32; pairs: u32; strings: u32;
  recordsAt: u32; pairsAt: u32; refsAt: u32; bytesAt: u32; length: u32;
  now: i64; sequence: u64;
  flags: u32; recordSize: u32;
}

@unmanaged
export class Row {
  time: i64; value: f64;
  name: u32; first: u32;
  labels: u16; kind: u8; flags: u8;
  source: u32;
}

@unmanaged
export class Pair { key: u32; value: u32; }

@unmanaged
export class Ref { at: u32; length: u32; }

@unmanaged
export class Result {
  magic: u32; strings: u32; refsAt: u32; records: u32; recordsAt: u32; pairs: u32; pairsAt: u32; unused: u32;
}

// @ts-ignore: decorator
@external("sluice", "log")
declare function hostLog(level: i32, at: usize, length: u32): void;
// @ts-ignore: decorator
@external("sluice", "fail")
declare function hostFail(code: i32, record: i32, at: usize, length: u32): void;
// @ts-ignore: decorator
@external("sluice", "count")
export declare function hostCount(metric: i32, n: i64): void;

export function writeLog(level: i32, line: string): void {
  const bytes = String.UTF8.encode(line);
  hostLog(level, changetype<usize>(bytes), bytes.byteLength);
}

export function refuse(code: i32, record: i32, reason: string): void {
  const bytes = String.UTF8.encode(reason);
  hostFail(code, record, changetype<usize>(bytes), bytes.byteLength);
}
