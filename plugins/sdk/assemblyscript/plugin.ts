import { Code, refuse, writeLog } from "./abi";
import { counts, giveUp, header } from "./batch";
import { Config, parse } from "./config";
import { Record } from "./record";

// Level says how much a line of the log matters.
export enum Level { Debug, Info, Warn, Error }

let begin: ((c: Config) => void) | null = null;
let every: ((r: Record) => void) | null = null;
let configured = false;
const one = new Record();

// setup names the function that takes the config, once, before the first batch. What it
// finds wrong it tells the config.
export function setup(f: (c: Config) => void): void {
  begin = f;
}

// each names the function that is called for every record.
export function each(f: (r: Record) => void): void {
  every = f;
}

// log writes a line to Sluice's log, which takes some lines per second.
export function log(level: Level, line: string): void {
  writeLog(level, line);
}

// count adds to the counter at a place of the manifest's metrics, below 32.
export function count(place: i32, n: i64): void {
  counts[place & 31] += n;
}

// batch is the one that is transformed.
export namespace batch {
  // Unix ms, the same when the batch is processed again; there is no other clock.
  export function now(): i64 { return header.now; }
  // Its number, the same when it is processed again.
  export function sequence(): u64 { return header.sequence; }
  export function replay(): bool { return (header.flags & 1) != 0; }
  // Whether nothing of the result is sent: a test, or a shadow.
  export function dryRun(): bool { return (header.flags & 2) != 0; }
  // refuse gives the whole batch up: nothing of it is changed.
  export function refuse(reason: string): void { giveUp(reason); }
}

export function ready(): bool {
  return configured && every != null;
}

export function configure(json: string): i32 {
  const c = parse(json);
  const f = begin;
  if (!c.fault && f) f(c);
  const fault = c.fault;
  configured = !fault;
  if (!fault) return Code.OK;
  refuse(Code.BadConfig, -1, fault);
  return Code.BadConfig;
}

export function run(): void {
  const f = every!;
  for (let i: u32 = 0; i < header.records; i++) {
    one.take(i);
    f(one);
  }
}
