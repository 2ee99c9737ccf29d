// The exports of a module: export * from here.
import { Code, MINOR, refuse } from "./abi";
import { answer, open, reserve, tidy } from "./batch";
import { configure, ready, run } from "./plugin";

export function sluice_abi_1(): i32 {
  return MINOR;
}

export function sluice_alloc(size: u32): usize {
  return reserve(size);
}

export function sluice_init(at: usize, length: u32): i32 {
  return configure(String.UTF8.decodeUnsafe(at, length));
}

export function sluice_transform(at: usize, length: u32): i64 {
  if (!ready() || !open(at, length)) {
    refuse(Code.BadBatch, -1, "the block is not a batch of interface 1");
    return Code.BadBatch;
  }
  run();
  const code = answer();
  tidy();
  return code;
}
