//! Gives series a label that a table in the config says: the tier of a job, say. What
//! ends in * in the table stands for all that begins so; the longest one counts.
#![cfg_attr(target_arch = "wasm32", no_std)]

extern crate alloc;
use alloc::string::String;
use alloc::vec::Vec;
use sluice_sdk::{plugin, Config, Key, Mapping, Plugin, Record};

struct Tier {
    from: Key,
    to: Key,
    tiers: Mapping,
}

impl Plugin for Tier {
    fn new(c: &Config) -> Result<Self, String> {
        let mut table: Vec<(String, String)> = c.table("table")?.iter().map(|(k, v)| ((*k).into(), (*v).into())).collect();
        if table.is_empty() {
            return c.refuse("table: has no entry");
        }
        // A text in full before what begins so, the longer beginning before the shorter.
        table.sort_by_key(|(k, _)| (k.ends_with('*'), usize::MAX - k.len()));
        let otherwise = if c.has("otherwise") { Some(String::from(c.string("otherwise")?)) } else { None };
        let tiers = Mapping::new(move |v| {
            let of = |(k, _): &&(String, String)| k.strip_suffix('*').map_or(k == v, |head| v.starts_with(head));
            table.iter().find(of).map(|(_, tier)| tier.clone()).or_else(|| otherwise.clone())
        });
        Ok(Tier { from: Key::new(c.string("from")?), to: Key::new(c.string("to")?), tiers })
    }

    fn each(&mut self, r: &mut Record) {
        r.derive(&self.to, &self.from, &self.tiers);
    }
}

plugin!(Tier);

#[cfg(test)]
mod tests {
    use super::*;
    use sluice_sdk::testing::{Sample, Trial};

    fn tier(config: &str, job: &str) -> Option<String> {
        let got = Trial::<Tier>::new(config).unwrap().run(&[Sample::new("m", 1.0).label("job", job)]);
        got.samples[0].labels.get("tier").cloned()
    }

    #[test]
    fn looks_up() {
        let config = r#"{"from":"job","to":"tier","table":{"pay*":"gold","pay-test*":"none","payroll":"silver"}}"#;
        for (job, want) in [("pay-1", Some("gold")), ("pay-test-1", Some("none")), ("payroll", Some("silver")), ("x", None), ("pa", None)] {
            assert_eq!(tier(config, job).as_deref(), want, "{job}");
        }
        let config = r#"{"from":"job","to":"tier","table":{"a":"b"},"otherwise":"bronze"}"#;
        assert_eq!(tier(config, "x").as_deref(), Some("bronze"));
    }

    #[test]
    fn refuses_what_says_nothing() {
        for (config, want) in [
            (r#"{"from":"job","to":"tier","table":{}}"#, "config: table: has no entry"),
            (r#"{"from":"job","to":"tier","table":{"a":1}}"#, "config: table.a: must be a string"),
            (r#"{"from":"job","table":{"a":"b"}}"#, "config: to: is missing"),
        ] {
            assert_eq!(Trial::<Tier>::new(config).err().unwrap(), want);
        }
    }
}
