fn main() {
    let arguments: Vec<u64> = std::env::args().skip(1).filter_map(|a| a.parse().ok()).collect();
    let (from, count, trace) = (
        arguments.first().copied().unwrap_or(0),
        arguments.get(1).copied().unwrap_or(1),
        arguments.get(2).copied().unwrap_or(0),
    );
    let options = skerry_sim::Options { trace: trace > 0, planted: None };
    let start = std::time::Instant::now();
    if trace > 0 {
        let outcome = skerry_sim::run(from, &options);
        for line in &outcome.trace {
            println!("{line}");
        }
        println!("{:?} {}", outcome.failure, outcome.digest);
        return;
    }
    let summary = skerry_sim::sweep(from, count, 1000, options, |_| {});
    for f in &summary.failures {
        println!("seed {}: {}", f.seed, f.failure.as_deref().unwrap_or("").chars().take(300).collect::<String>());
    }
    println!("{:#?}", summary.counts);
    println!(
        "{} runs, {} failures, {:?}, {} simulated s",
        summary.runs,
        summary.failures.len(),
        start.elapsed(),
        summary.simulated_ms / 1000
    );
}
