import { Record, batch, each } from "../.sluice";
export * from "../.sluice/exports";

const kept: ArrayBuffer[] = [];

function deep(n: u64): u64 {
  return 1 + deep(n + 1);
}

function wrong(what: u64): void {
  if (what == 100) throw new Error("it throws at " + what.toString());
  if (what == 102) kept[<i32>what].slice(0);
  if (what == 103) unreachable();
  if (what == 104) kept.push(new ArrayBuffer(<i32>(what / (what - 104))));
  while (what == 105) kept.push(new ArrayBuffer(1 << 20));
  if (what == 106) kept.push(new ArrayBuffer(<i32>deep(what)));
  while (what == 107) {}
}

each((r: Record): void => {
  wrong(batch.sequence());
  r.value *= 2;
});
