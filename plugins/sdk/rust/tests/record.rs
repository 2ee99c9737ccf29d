//! What records let a plugin do.

use sluice_sdk::testing::{Outcome, Sample, Trial};
use sluice_sdk::{Code, Config, Key, Kind, Level, Mapping, Memo, Plugin, Record};
use std::cell::Cell;
use std::rc::Rc;

// Does what its config says.
struct Any {
    what: String,
    a: Key,
    b: Key,
    fresh: Key,
    again: Key,
    upper: Mapping,
    nothing: Mapping,
    length: Memo<usize>,
    worked: Rc<Cell<i64>>,
}

impl Plugin for Any {
    fn new(c: &Config) -> Result<Self, String> {
        let worked = Rc::new(Cell::new(0));
        let counted = worked.clone();
        Ok(Any {
            what: c.string("do")?.to_string(),
            a: Key::new("a"),
            b: Key::new("b"),
            fresh: Key::new("fresh"),
            again: Key::new("fresh"),
            upper: Mapping::new(move |s| {
                counted.set(counted.get() + 1);
                Some(s.to_uppercase())
            }),
            nothing: Mapping::new(|_| None),
            length: Memo::new(|s| s.len()),
            worked,
        })
    }

    fn each(&mut self, r: &mut Record) {
        match &self.what[..] {
            "rename" => r.rename(&self.a, &self.b),
            "fresh" => r.rename(&self.a, &self.fresh),
            "replace" => {
                r.set_label(&self.fresh, "1");
                r.rename(&self.a, &self.again);
            }
            "value like a key" => { // which looked before, when there was none
                r.has(&self.fresh);
                r.set_label(&self.b, "fresh");
                r.rename(&self.a, &self.again);
                r.set_label(&self.fresh, "2");
            }
            "set" => {
                r.set_label(&self.fresh, "1");
                let name = r.name().to_string() + "!";
                r.set_label(&self.again, &name);
                r.set_label(&self.b, "new");
            }
            "remove" => {
                r.remove_label(&self.a);
                r.set_label(&self.b, "");
            }
            "map" => {
                r.map_label(&self.a, &self.upper);
                r.map_label(&self.b, &self.nothing);
                r.map_name(&self.upper);
                r.map_name(&self.nothing);
                r.derive(&self.fresh, &self.a, &self.upper);
                r.derive(&self.b, &self.a, &self.nothing);
                r.batch().count(1, self.worked.take());
            }
            "values" => {
                let v = r.value() * 0.25 + r.of_label(&self.length, &self.a).unwrap_or(40) as f64;
                r.set_value(v + 100.0 * r.of_name(&self.length) as f64);
                let text = r.text().to_string() + "er";
                r.set_text(&text);
            }
            "emit" => {
                let mut e = r.emit();
                e.set_name("copy");
                e.set_label(&self.fresh, "1");
                r.emit().drop();
                r.emit().fail("nobody sees this");
                if r.value() == 3.0 {
                    r.drop();
                }
            }
            "fail" => {
                if r.value() == 3.0 {
                    r.fail("three");
                }
                r.batch().log(Level::Warn, "seen");
            }
            "refuse" => {
                let reason = format!("no {}", r.name());
                r.batch().refuse(&reason);
                r.fail("too");
            }
            "many" => (0..8).for_each(|_| r.emit().drop()),
            "read" => {
                let n = r.labels();
                let first = if n > 0 { r.label_at(0).1.to_string() } else { String::new() };
                let same = r.label(&self.a).unwrap_or("") == first && r.has(&self.a) == (n > 0);
                let b = r.batch();
                if !same || b.is_empty() || b.now() == 0 || b.sequence() == 0 || b.replay() || b.dry_run() {
                    r.fail("is not what was put in");
                }
            }
            _ => (),
        }
    }
}

fn samples() -> Vec<Sample> {
    let m = Sample { time: 7, kind: Kind::Counter, ..Sample::new("m", 2.0) };
    vec![m.label("a", "x").label("z", "x"), Sample::new("n", 3.0).label("a", "y").label("b", "x").of(1), Sample::text("t", "warm").of(2)]
}

fn run(what: &str) -> Outcome {
    Trial::<Any>::new(&format!(r#"{{"do":"{what}"}}"#)).unwrap().run(&samples())
}

fn labels(o: &Outcome) -> Vec<String> {
    o.samples.iter().map(|s| s.labels.iter().map(|(k, v)| format!("{k}={v}")).collect::<Vec<_>>().join(" ")).collect()
}

#[test]
fn what_is_not_touched_stays() {
    assert_eq!(run("nothing").samples, samples());
    assert_eq!(run("read").samples, samples());
}

#[test]
fn changes_labels() {
    assert_eq!(labels(&run("rename")), ["b=x z=x", "b=y", ""]);
    assert_eq!(labels(&run("fresh")), ["fresh=x z=x", "b=x fresh=y", ""]);
    assert_eq!(labels(&run("replace")), ["fresh=x z=x", "b=x fresh=y", "fresh=1"]);
    assert_eq!(labels(&run("value like a key")), ["b=fresh fresh=2 z=x", "b=fresh fresh=2", "b=fresh fresh=2"]);
    assert_eq!(labels(&run("set")), ["a=x b=new fresh=m! z=x", "a=y b=new fresh=n!", "b=new fresh=t!"]);
    assert_eq!(labels(&run("remove")), ["z=x", "", ""]);
}

#[test]
fn works_out_once_per_distinct_string_of_a_batch() {
    let mut t = Trial::<Any>::new(r#"{"do":"map"}"#).unwrap();
    for (value, times) in [("x", 8), ("yy", 10), ("ü", 10)] {
        let mut input = samples();
        input.push(Sample::new("m", 1.0).label("a", value).of(3));
        let out = t.run(&input);
        let upper = value.to_uppercase();
        assert_eq!(labels(&out), ["a=X fresh=X z=x", "a=Y fresh=Y", "", &format!("a={upper} fresh={upper}")]);
        assert_eq!(out.samples[2].name, "T");
        assert_eq!(out.counted[&1], times); // m n t x y, X Y, "" where a is not there; the other value and what it became
    }
}

#[test]
fn changes_values() {
    let out = run("values");
    assert_eq!((out.samples[0].value, out.samples[1].value, &out.samples[2].text[..]), (101.5, 101.75, "warmer"));
}

#[test]
fn drops_and_emits() {
    let out = run("emit");
    assert_eq!(labels(&out), ["a=x z=x", "", "a=x fresh=1 z=x", "a=y b=x fresh=1", "fresh=1"]);
    assert_eq!(out.samples.iter().map(|s| s.source).collect::<Vec<_>>(), [0, 2, 0, 1, 2]);
    assert_eq!(out.samples[4].name, "copy");
}

#[test]
fn fails_and_refuses() {
    let out = run("fail");
    assert_eq!((out.code, out.samples.len(), &out.failed[&1][..]), (Some(Code::RecordFailed), 2, "three"));
    assert_eq!(out.logged, ["seen"; 3]);
    let out = run("refuse");
    assert_eq!((out.code, out.samples.len(), &out.reason[..]), (Some(Code::BatchFailed), 0, "no m"));
    assert_eq!(run("many").reason, "more records than a batch may become");
}
