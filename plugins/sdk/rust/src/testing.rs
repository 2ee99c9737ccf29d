//! Tests of a plugin, natively.

use std::collections::BTreeMap;
use std::string::{String, ToString};
use std::vec::Vec;

use crate::abi::{Code, Header, Kind, Level, Pair, Ref, Row, BATCH_MAGIC, MAJOR};
use crate::{Batch, Config, Plugin};

/// What the plugin told Sluice.
#[derive(Default)]
pub struct Host {
    heard: Outcome,
}

impl Host {
    pub(crate) fn log(&mut self, _: Level, line: &str) {
        self.heard.logged.push(line.to_string());
    }
    pub(crate) fn fail(&mut self, _: Code, record: i32, reason: &str) {
        if record < 0 {
            self.heard.reason = reason.to_string();
        } else {
            self.heard.failed.insert(record as usize, reason.to_string());
        }
    }
    pub(crate) fn count(&mut self, metric: i32, n: i64) {
        *self.heard.counted.entry(metric as usize).or_default() += n;
    }
}

/// A record as a test writes it.
#[derive(Clone, Debug, PartialEq)]
pub struct Sample {
    pub name: String,
    pub labels: BTreeMap<String, String>,
    pub kind: Kind,
    pub time: i64,
    pub value: f64,
    pub text: String,
    /// Of what came out: which sample it is, or was made of.
    pub source: usize,
}

impl Sample {
    /// A gauge.
    pub fn new(name: &str, value: f64) -> Sample {
        Sample { name: name.to_string(), labels: BTreeMap::new(), kind: Kind::Gauge, time: 0, value, text: String::new(), source: 0 }
    }

    /// A text.
    pub fn text(name: &str, text: &str) -> Sample {
        Sample { kind: Kind::Text, text: text.to_string(), ..Sample::new(name, 0.0) }
    }

    /// The same with one more label.
    pub fn label(mut self, name: &str, value: &str) -> Sample {
        self.labels.insert(name.to_string(), value.to_string());
        self
    }

    /// The same of another source.
    pub fn of(mut self, source: usize) -> Sample {
        self.source = source;
        self
    }
}

/// What a plugin did with a batch.
#[derive(Default, Debug, PartialEq)]
pub struct Outcome {
    /// What goes on: samples that came in in their order, then those emitted. None when the
    /// whole batch was refused.
    pub samples: Vec<Sample>,
    /// Reasons, by sample.
    pub failed: BTreeMap<usize, String>,
    pub logged: Vec<String>,
    /// By the place of the counter.
    pub counted: BTreeMap<usize, i64>,
    /// Of the whole batch.
    pub code: Option<Code>,
    /// Why there is a code.
    pub reason: String,
}

/// A use of a plugin. It does what the module does, but for what only Sluice does: it
/// checks neither the config against the schema nor the changes against the manifest.
pub struct Trial<P> {
    plugin: P,
    batch: Batch,
}

impl<P: Plugin> Trial<P> {
    /// Gives the plugin a config, JSON.
    pub fn new(config: &str) -> Result<Trial<P>, String> {
        let value = Config::parse(config)?;
        Ok(Trial { plugin: P::new(&Config::of(&value))?, batch: Batch::new(Host::default()) })
    }

    /// Runs a batch through it.
    pub fn run(&mut self, samples: &[Sample]) -> Outcome {
        let (mut block, length) = encode(samples);
        assert!(unsafe { self.batch.open(block.as_mut_ptr() as *mut u8, length) });
        self.plugin.batch(&mut self.batch);
        self.batch.end();
        let mut out = core::mem::take(&mut self.batch.host.heard);
        out.code = self.batch.refused;
        if out.code.is_none() || out.code == Some(Code::RecordFailed) {
            out.samples = decode(&mut self.batch);
        }
        out
    }
}

fn number<'a>(texts: &mut Vec<&'a str>, s: &'a str) -> u32 {
    let n = texts.iter().position(|t| *t == s).unwrap_or_else(|| {
        texts.push(s);
        texts.len() - 1
    });
    n as u32
}

fn encode(samples: &[Sample]) -> (Vec<u64>, u32) {
    let (mut texts, mut rows, mut pairs) = (Vec::new(), Vec::new(), Vec::new());
    for (i, s) in samples.iter().enumerate() {
        let value = if s.kind == Kind::Text { f64::from_bits(number(&mut texts, &s.text) as u64) } else { s.value };
        rows.push(Row {
            time: s.time, value, name: number(&mut texts, &s.name), first: pairs.len() as u32,
            labels: s.labels.len() as u16, kind: s.kind as u8, flags: 0, source: i as u32,
        });
        for (k, v) in &s.labels {
            pairs.push(Pair { key: number(&mut texts, k), value: number(&mut texts, v) });
        }
    }
    let records_at = core::mem::size_of::<Header>();
    let pairs_at = records_at + core::mem::size_of_val(&rows[..]);
    let refs_at = pairs_at + core::mem::size_of_val(&pairs[..]);
    let bytes_at = refs_at + texts.len() * core::mem::size_of::<Ref>();
    let length = bytes_at + texts.iter().map(|t| t.len()).sum::<usize>();
    let header = Header {
        magic: BATCH_MAGIC, major: MAJOR, minor: 0, records: rows.len() as u32, pairs: pairs.len() as u32, strings: texts.len() as u32,
        records_at: records_at as u32, pairs_at: pairs_at as u32, refs_at: refs_at as u32, bytes_at: bytes_at as u32,
        length: length as u32, now: 1_700_000_000_000, sequence: 7, flags: 0, record_size: core::mem::size_of::<Row>() as u32,
    };
    let mut block = std::vec![0u64; length / 8 + 1];
    unsafe {
        let at = block.as_mut_ptr() as *mut u8;
        (at as *mut Header).write(header);
        core::ptr::copy_nonoverlapping(rows.as_ptr(), at.add(records_at) as *mut Row, rows.len());
        core::ptr::copy_nonoverlapping(pairs.as_ptr(), at.add(pairs_at) as *mut Pair, pairs.len());
        let mut end = bytes_at;
        for (i, t) in texts.iter().enumerate() {
            (at.add(refs_at) as *mut Ref).add(i).write(Ref { at: end as u32, length: t.len() as u32 });
            core::ptr::copy_nonoverlapping(t.as_ptr(), at.add(end), t.len());
            end += t.len();
        }
    }
    (block, length as u32)
}

fn decode(b: &mut Batch) -> Vec<Sample> {
    let rows: Vec<Row> = b.rows().iter().chain(b.added.iter()).copied().filter(|r| r.flags == 0).collect();
    rows.iter()
        .map(|row| {
            let mut row = *row;
            let pairs = b.labels(&row).to_vec();
            let r = crate::Record { row: &mut row, number: 0, batch: b };
            let mut s = Sample { time: r.time(), kind: r.kind(), text: r.text().to_string(), ..Sample::new(r.name(), r.value()) };
            s.source = row.source as usize;
            for p in pairs {
                s.labels.insert(b.text(p.key).to_string(), b.text(p.value).to_string());
            }
            s
        })
        .collect()
}
