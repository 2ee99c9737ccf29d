//! The first plugin of the page plugins/sdk/rust: gives a label another name, and scales values.
#![cfg_attr(target_arch = "wasm32", no_std)]

extern crate alloc;
use alloc::string::String;
use sluice_sdk::{plugin, Config, Key, Plugin, Record};

struct Quickstart { from: Key, to: Key, factor: f64 }

impl Plugin for Quickstart {
    fn new(c: &Config) -> Result<Self, String> {
        Ok(Quickstart { from: Key::new(c.string("from")?), to: Key::new(c.string("to")?), factor: c.number("factor")? })
    }

    fn each(&mut self, r: &mut Record) {
        r.rename(&self.from, &self.to);
        r.set_value(r.value() * self.factor);
    }
}

plugin!(Quickstart);

#[cfg(test)]
mod tests {
    use super::*;
    use sluice_sdk::testing::{Sample, Trial};

    #[test]
    fn renames_and_scales() {
        let mut plugin = Trial::<Quickstart>::new(r#"{"from":"task_name","to":"task","factor":0.001}"#).unwrap();
        let got = plugin.run(&[Sample::new("latency", 250.0).label("task_name", "orders")]);
        assert_eq!(got.samples, [Sample::new("latency", 0.25).label("task", "orders")]);
        assert_eq!(Trial::<Quickstart>::new("{}").err().unwrap(), "config: from: is missing");
    }
}
