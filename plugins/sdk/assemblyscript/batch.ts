// The batch of a call. What grows is kept for the next batch.
import { BATCH_MAGIC, Code, HEADER, Header, PAIR, Pair, REF, RESULT, RESULT_MAGIC, ROW, Ref, Result, Row, hostCount, refuse } from "./abi";

export const NONE: u32 = u32.MAX_VALUE; // the number of a string that a batch does not have

// Room is memory for things of one size.
class Room {
  at: usize = 0;
  used: u32 = 0;
  room: u32 = 0;
  constructor(public size: u32) {}

  // next returns the place of n more things; those that are there may move.
  next(n: u32): usize {
    const from = this.used;
    this.used += n;
    this.reserve(this.used);
    return this.at + from * this.size;
  }

  reserve(n: u32): void {
    if (n <= this.room) return;
    this.room = n + n / 2 + 16;
    this.at = this.at ? heap.realloc(this.at, this.room * this.size) : heap.alloc(this.room * this.size);
  }
}

const block = new Room(1);
const refs = new Room(REF); // of the new strings, numbered from strings on
const rows = new Room(ROW); // the new ones; not moved while the batch lasts
const room = new Room(PAIR); // new pairs, at positions from came on
const numbers = new Map<string, u32>(); // of the new strings
const keys = new Map<string, u32>(); // of those that keys have added
const result = changetype<Result>(heap.alloc(RESULT));
export const counts = new StaticArray<i64>(32);

export let header = changetype<Header>(0);
export let opened: u32 = 0; // tells this batch from those before
export let serial: u32 = 0; // changes with the batch, and when a key is added to it
export let named: i32 = -1; // the last record that was given a label; -1: none
let made: u32 = 0; // bytes of strings for the plugin since garbage was collected
let pages: i32 = 0; // of memory then
let refused: i32 = 0;
export let strings: u32 = 0; // that came with the batch
export let came: u32 = 0; // pairs that did
export let pairsAt: usize = 0;
let refsAt: usize = 0;

export function reserve(size: u32): usize {
  block.reserve(max(size, 1)); // an address of 0 means that there is no room
  return block.at;
}

export function open(at: usize, length: u32): bool {
  const h = changetype<Header>(at);
  if (length < HEADER || h.magic != BATCH_MAGIC || h.major != 1 || h.recordSize != ROW || h.length > length) return false;
  header = h;
  strings = h.strings;
  came = h.pairs;
  pairsAt = at + h.pairsAt;
  refsAt = at + h.refsAt;
  for (let i: u32 = 0; i < refs.used; i++) heap.free(changetype<Ref>(refs.at + i * REF).at);
  if (numbers.size) numbers.clear();
  if (keys.size) keys.clear();
  refs.used = rows.used = room.used = 0;
  refused = 0;
  named = -1;
  opened++;
  serial++;
  return true;
}

// @ts-ignore: decorator
@inline
export function row(i: u32): Row {
  return changetype<Row>(changetype<usize>(header) + header.recordsAt + i * ROW);
}

function bytesOf(n: u32): Ref {
  return changetype<Ref>(n >= strings ? refs.at + (n - strings) * REF : refsAt + n * REF);
}

export function text(n: u32): string {
  const r = bytesOf(n);
  const at: usize = (n >= strings ? 0 : <u32>changetype<usize>(header)) + r.at;
  made += 2 * r.length + 64;
  return String.UTF8.decodeUnsafe(at, r.length);
}

// find returns the number of a key, NONE when no string that came with the batch is like
// it, and no key that was added. guess is a number to look at first.
export function find(s: string, bytes: ArrayBuffer, guess: u32): u32 {
  if (guess < strings && same(guess, bytes)) return guess;
  for (let i: u32 = 0; i < strings; i++) if (same(i, bytes)) return i;
  return keys.has(s) ? keys.get(s) : NONE;
}

function same(n: u32, bytes: ArrayBuffer): bool {
  const r = changetype<Ref>(refsAt + n * REF);
  return r.length == bytes.byteLength && memory.compare(changetype<usize>(header) + r.at, changetype<usize>(bytes), r.length) == 0;
}

// add returns the number of a string that need not be looked for among those that came
// in: an equal one there does no harm, it only is there twice. Half a surrogate pair, which
// UTF-8 does not have, is U+FFFD.
export function add(s: string): u32 {
  if (numbers.has(s)) return numbers.get(s);
  const length = <u32>String.UTF8.byteLength(s);
  const ref = changetype<Ref>(refs.next(1));
  ref.at = <u32>heap.alloc(length);
  ref.length = length;
  String.UTF8.encodeUnsafe(changetype<usize>(s), s.length, ref.at, false, String.UTF8.ErrorMode.REPLACE);
  const n = strings + refs.used - 1;
  numbers.set(s, n);
  return n;
}

// enter adds the text of a key, and makes keys look again: another one of it may have looked.
export function enter(s: string): u32 {
  const n = add(s);
  keys.set(s, n);
  serial++;
  return n;
}

// pairs returns where the pairs of a record are; valid until pairs are added.
// @ts-ignore: decorator
@inline
export function pairs(r: Row): usize {
  return r.first < came ? pairsAt + r.first * PAIR : room.at + (r.first - came) * PAIR;
}

// given notes that a record was given a label.
// @ts-ignore: decorator
@inline
export function given(record: i32): void {
  named = max(named, record);
}

// move gives a record pairs of its own, behind all others.
function move(r: Row): void {
  const end = came + room.used;
  room.reserve(room.used + r.labels);
  const from = pairs(r);
  memory.copy(room.next(r.labels), from, r.labels * PAIR);
  r.first = end;
}

export function append(r: Row, key: u32, value: u32): void {
  if (r.first < came || r.first + r.labels != came + room.used) move(r);
  const p = changetype<Pair>(room.next(1));
  p.key = key;
  p.value = value;
  r.labels++;
}

export function emit(from: Row): Row {
  const most = 2 * header.records + 16;
  if (rows.used == most) {
    giveUp("more records than a batch may become");
    rows.used--;
  }
  rows.reserve(most);
  const r = changetype<Row>(rows.next(1));
  memory.copy(changetype<usize>(r), changetype<usize>(from), ROW);
  r.flags = 0;
  move(r);
  return r;
}

export function failed(record: i32, reason: string): void {
  if (!refused) refused = Code.RecordFailed;
  refuse(Code.RecordFailed, record, reason);
}

export function giveUp(reason: string): void {
  if (refused == Code.BatchFailed) return;
  refused = Code.BatchFailed;
  refuse(Code.BatchFailed, -1, reason);
}

// answer ends a batch. An answer has an address or a code.
export function answer(): i64 {
  let kept: u32 = 0;
  for (let i: u32 = 0; i < rows.used; i++) {
    const r = rows.at + i * ROW;
    if (!changetype<Row>(r).flags) memory.copy(rows.at + kept++ * ROW, r, ROW);
  }
  rows.used = kept;
  for (let i = 0; i < counts.length; i++) {
    if (counts[i]) hostCount(i, counts[i]);
    counts[i] = 0;
  }
  if (refused > Code.RecordFailed || !(refs.used + rows.used + room.used)) return refused;
  result.magic = RESULT_MAGIC;
  result.strings = refs.used;
  result.refsAt = <u32>refs.at;
  result.records = rows.used;
  result.recordsAt = <u32>rows.at;
  result.pairs = room.used;
  result.pairsAt = <u32>room.at;
  return (<i64>changetype<usize>(result) << 32) | RESULT;
}

// tidy collects garbage between batches, where the runtime "minimal" may: nothing is on
// the stack that it would have to know of.
export function tidy(): void {
  if (made < 128 << 10 && memory.size() == pages) return;
  __collect();
  made = 0;
  pages = memory.size();
}
