//! How long a verdict takes, and how long a policy takes to compile, as the policy grows from 1 to 10,000 rules, in
//! the shapes that policies have. `cargo bench -p openshell-domain --bench verdict`.
//!
//! One verdict is all three questions: may it connect, may it ask this, may it reach these addresses. Baselines of
//! the same run: the naive walk over all rules (`tests/support/naive.rs`), and the hash of one path.

#![allow(clippy::disallowed_methods, reason = "a benchmark reads the clock")]
#![allow(clippy::unwrap_used, reason = "a benchmark may stop at once")]

#[path = "../tests/support/mod.rs"]
mod support;

use std::collections::BTreeMap;
use std::hash::{BuildHasher as _, RandomState};
use std::hint::black_box;
use std::time::{Duration, Instant};

use criterion::measurement::WallTime;
use criterion::{BenchmarkGroup, BenchmarkId, Criterion, SamplingMode};
use openshell_domain::policy::verdict::compile;
use support::naive;
use support::shapes::{Case, Shape};

const SIZES: [usize; 5] = [1, 10, 100, 1000, 10_000];

/// Nanoseconds of every sample, by what was measured, shape and size.
type Samples = BTreeMap<(&'static str, Shape, usize), Vec<f64>>;

fn measure<T>(
    group: &mut BenchmarkGroup<'_, WallTime>,
    samples: &mut Vec<f64>,
    id: BenchmarkId,
    mut work: impl FnMut() -> T,
) {
    group.bench_function(id, |bencher| {
        bencher.iter_custom(|rounds| {
            let begin = Instant::now();
            for _ in 0..rounds {
                black_box(work());
            }
            let took = begin.elapsed();
            #[expect(clippy::cast_precision_loss, reason = "rounds are few")]
            samples.push(took.as_secs_f64() * 1e9 / rounds as f64);
            took
        });
    });
}

fn median(samples: &[f64]) -> f64 {
    let mut sorted = samples.to_vec();
    sorted.sort_unstable_by(f64::total_cmp);
    sorted.get(sorted.len() / 2).copied().unwrap_or(f64::NAN)
}

fn walk(case: &Case) -> bool {
    let connect = naive::connect(&case.policy, &case.caller, &case.host, 443);
    let naive::Connect::Inspected(found) = &connect else { return false };
    let naive::Verdict::Allowed(found) = naive::request(found, &case.request()) else { return false };
    found.iter().any(|(_, endpoint)| naive::reaches(endpoint, &case.addresses, 443))
}

fn group<'c>(criterion: &'c mut Criterion, name: &str) -> BenchmarkGroup<'c, WallTime> {
    let mut group = criterion.benchmark_group(name);
    group.sample_size(20).sampling_mode(SamplingMode::Flat);
    group.warm_up_time(Duration::from_millis(50)).measurement_time(Duration::from_millis(150));
    group
}

fn main() {
    let mut criterion = Criterion::default().without_plots().configure_from_args();
    let mut samples = Samples::new();
    let mut hash = Vec::new();
    let (hasher, path) = (RandomState::new(), "/repos/o/r500/contents/README.md");
    measure(&mut group(&mut criterion, "baseline"), &mut hash, BenchmarkId::from_parameter("hash"), || {
        hasher.hash_one(black_box(path))
    });
    for shape in Shape::ALL {
        for size in SIZES {
            let case = Case::new(shape, size);
            let policy = compile(&case.policy).unwrap();
            assert!(case.judge(&policy).is_some() && walk(&case));
            let works: [(&str, &mut dyn FnMut() -> bool); 3] = [
                ("verdict", &mut || case.judge(&policy).is_some()),
                ("walk", &mut || walk(&case)),
                ("compile", &mut || compile(&case.policy).is_ok()),
            ];
            for (what, work) in works {
                let id = BenchmarkId::new(shape.name(), size);
                let samples = samples.entry((what, shape, size)).or_default();
                measure(&mut group(&mut criterion, what), samples, id, work);
            }
        }
    }
    criterion.final_summary();
    report(&samples, median(&hash));
}

fn report(samples: &Samples, hash: f64) {
    println!("\nbaseline: SipHash of one path of 33 bytes {hash:.1} ns");
    println!(
        "{:<30}{:>7}{:>12}{:>9}{:>9}{:>12}{:>9}{:>13}{:>9}",
        "shape", "rules", "verdict", "/ hash", "growth", "walk", "/ walk", "compile", "growth"
    );
    for shape in Shape::ALL {
        let mut before: Option<(f64, f64)> = None;
        for size in SIZES {
            let of = |what| samples.get(&(what, shape, size)).map_or(f64::NAN, |of| median(of));
            let (verdict, walk, compile) = (of("verdict"), of("walk"), of("compile"));
            let growth = |now: f64, before: Option<f64>| {
                before.map_or("-".to_owned(), |b| format!("× {:.2}", now / b))
            };
            println!(
                "{:<30}{size:>7}{verdict:>9.0} ns{:>9.1}{:>9}{:>9.1} µs{:>9.4}{:>10.3} ms{:>9}",
                shape.name(),
                verdict / hash,
                growth(verdict, before.map(|b| b.0)),
                walk / 1e3,
                verdict / walk,
                compile / 1e6,
                growth(compile, before.map(|b| b.1)),
            );
            before = Some((verdict, compile));
        }
    }
}
