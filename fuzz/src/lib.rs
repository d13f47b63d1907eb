//! The fuzz harness: valid bytes, changed in the ways that bytes go wrong, fed to everything that reads bytes from outside.
//!
//! A [`Target`] has a corpus of valid inputs. Each case takes one of them, changes it a few times (a flipped bit, a number at its
//! limits, a part cut out, doubled, or put in from elsewhere), puts checksums right where the format has them, and hands it to
//! the test. A case that fails is made smaller before it is reported. Runs are the same every time until a seed is given:
//! `SKERRY_FUZZ_CASES=1000000 SKERRY_FUZZ_SEED=7 cargo test -p skerry-sync --test fuzz --release` is a long one with other cases.
//!
//! With [`Bounded`] as its allocator a test program stops when an input makes it take more memory than any should.
//!
//! ```
//! let numbers = [b"12".to_vec(), b"-7".to_vec()];
//! skerry_fuzz::Target::new("numbers", &numbers).cases(100).run(|bytes| {
//!     // Must not panic, and what it takes must come back.
//!     if let Some(number) = std::str::from_utf8(bytes).ok().and_then(|text| text.parse::<i8>().ok()) {
//!         assert_eq!(number.to_string().parse(), Ok(number));
//!     }
//! });
//! ```
//!
//! This is no coverage-guided fuzzer: it runs on stable Rust in the normal test run, and leans on the corpus instead.

pub mod automerge;
mod mutation;

use proptest::strategy::Strategy;
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};

use mutation::{Plan, apply};

/// An allocator that gives so many bytes at most; the program stops with a message beyond.
pub type Bounded = cap::Cap<std::alloc::System>;

/// An allocator for a test program: `#[global_allocator] static ALLOCATOR: Bounded = skerry_fuzz::bounded();`
pub const fn bounded() -> Bounded {
    Bounded::new(std::alloc::System, 1 << 30)
}

/// Something that reads bytes.
#[derive(Debug)]
pub struct Target<'a> {
    name: &'a str,
    corpus: &'a [Vec<u8>],
    words: &'a [&'a str],
    repair: fn(&mut Vec<u8>),
    cases: u32,
}

impl<'a> Target<'a> {
    /// A target with inputs that it takes.
    pub fn new(name: &'a str, corpus: &'a [Vec<u8>]) -> Target<'a> {
        Target { name, corpus, words: &[], repair: |_| {}, cases: 1_000 }
    }

    /// Cases of a normal run: as many as take a few seconds.
    #[must_use]
    pub fn cases(mut self, cases: u32) -> Self {
        self.cases = cases;
        self
    }

    /// Words of the language, to be put anywhere.
    #[must_use]
    pub fn words(mut self, words: &'a [&'a str]) -> Self {
        self.words = words;
        self
    }

    /// What puts checksums right: without it no change would come further than the first check.
    #[must_use]
    pub fn repair(mut self, repair: fn(&mut Vec<u8>)) -> Self {
        self.repair = repair;
        self
    }

    /// Runs the cases.
    ///
    /// # Panics
    /// When `test` does, with the smallest input that was found.
    pub fn run(self, test: impl FnMut(&[u8])) {
        let seed = number("SKERRY_FUZZ_SEED").unwrap_or(0);
        let cases = number("SKERRY_FUZZ_CASES").map_or(self.cases, |cases| u32::try_from(cases).unwrap_or(u32::MAX));
        let config = Config { cases, failure_persistence: None, max_shrink_iters: 4_000, ..Config::default() };
        let mut start = [0; 32];
        start.iter_mut().zip(seed.to_be_bytes().iter().chain(self.name.as_bytes())).for_each(|(to, from)| *to = *from);
        let mut runner = TestRunner::new_with_rng(config, TestRng::from_seed(RngAlgorithm::ChaCha, &start));
        let inputs = mutation::plan(self.corpus.len(), self.words.len()).prop_map(|plan: Plan| {
            let mut bytes = apply(&plan, self.corpus, self.words);
            (self.repair)(&mut bytes);
            Input(bytes)
        });
        let test = std::cell::RefCell::new(test);
        let outcome = runner.run(&inputs, |Input(bytes)| {
            (test.borrow_mut())(&bytes);
            Ok(())
        });
        if let Err(error) = outcome {
            panic!("target {:?}, SKERRY_FUZZ_SEED={seed}: {error}", self.name);
        }
    }

    /// As [`Target::run`] for what reads text: what is not UTF-8 is replaced.
    ///
    /// # Panics
    /// When `test` does, with the smallest input that was found.
    pub fn run_text(self, mut test: impl FnMut(&str)) {
        self.run(|bytes| test(&String::from_utf8_lossy(bytes)));
    }
}

/// Bytes that can be pasted into a test.
struct Input(Vec<u8>);

impl std::fmt::Debug for Input {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "b\"{}\"", self.0.escape_ascii())
    }
}

fn number(variable: &str) -> Option<u64> {
    std::env::var(variable).ok()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A harness that finds nothing proves nothing: a decoder that believes a length in its input is caught.
    #[test]
    fn a_planted_fault_is_found() {
        let corpus = [vec![2, b'a', b'b']];
        let decode = |bytes: &[u8]| {
            if let Some((&length, rest)) = bytes.split_first() {
                let _ = &rest[..usize::from(length)];
            }
        };
        let found = std::panic::catch_unwind(|| Target::new("planted", &corpus).cases(200).run(decode));
        let message = found.unwrap_err().downcast::<String>().unwrap();
        assert!(message.contains("range end index"), "{message}");
    }
}
