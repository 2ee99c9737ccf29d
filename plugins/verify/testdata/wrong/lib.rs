#![cfg_attr(target_arch = "wasm32", no_std)]

extern crate alloc;
use alloc::{string::String, vec, vec::Vec};
use sluice_sdk::{plugin, Batch, Config, Plugin, Record};

struct Wrong { kept: Vec<Vec<u8>> }

impl Plugin for Wrong {
    fn new(_: &Config) -> Result<Self, String> {
        Ok(Wrong { kept: Vec::new() })
    }

    fn batch(&mut self, b: &mut Batch) {
        self.wrong(b.sequence());
        for i in 0..b.len() {
            self.each(&mut b.record(i));
        }
    }

    fn each(&mut self, r: &mut Record) {
        r.set_value(2.0 * r.value());
    }
}

impl Wrong {
    fn wrong(&mut self, what: u64) {
        match what {
            100 => panic!("it panics at {what}"),
            101 => {
                let none: Option<u64> = what.checked_sub(102);
                none.unwrap();
            }
            102 => {
                let few = [1u64, 2, 3];
                self.kept = vec![vec![few[what as usize % 51 + 7] as u8]];
            }
            103 => {
                let cell = core::cell::RefCell::new(what);
                let _held = cell.borrow_mut();
                *cell.borrow_mut() += 1;
            }
            104 => {
                self.kept = vec![vec![(what / (what - 104)) as u8]];
            }
            105 => loop {
                self.kept.push(vec![1; 1 << 20]);
            },
            106 => {
                if deep(what) == 0 {
                    self.kept.clear();
                }
            }
            107 => loop {
                core::hint::black_box(what);
            },
            _ => {}
        }
    }
}

#[inline(never)]
fn deep(n: u64) -> u64 {
    1 + core::hint::black_box(deep(core::hint::black_box(n + 1)))
}

plugin!(Wrong);
