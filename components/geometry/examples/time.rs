use skerry_geometry::curvature::forman::*;
use skerry_geometry::curvature::ollivier::*;
use skerry_geometry::graph::*;
use std::time::Instant;
fn main() {
    for f in std::env::args().skip(1) {
        let t = std::fs::read_to_string(&f).unwrap();
        let e: Vec<Edge> = t
            .lines()
            .map(|l| {
                let (a, b) = l.split_once(' ').unwrap();
                Edge { source: a.parse().unwrap(), target: b.parse().unwrap() }
            })
            .collect();
        let n = e.iter().map(|e| e.source.max(e.target)).max().unwrap() + 1;
        let s = Instant::now();
        let g = Graph::new(n, &e).unwrap();
        let tg = s.elapsed();
        let s = Instant::now();
        let r = transport_curvature(Transport::Ollivier(Idleness::HALF), &g);
        let to = s.elapsed();
        let s = Instant::now();
        let r0 = transport_curvature(Transport::Ollivier(Idleness::new(0, 1).unwrap()), &g);
        let t0 = s.elapsed();
        let s = Instant::now();
        let fr = forman_curvature(Forman::Augmented, n, &e).unwrap();
        let tf = s.elapsed();
        let s = Instant::now();
        let _ = forman_curvature(Forman::Balanced, n, &e).unwrap();
        let tb = s.elapsed();
        let dmax = (0..n).map(|v| g.degree(v)).max().unwrap();
        println!(
            "{f} n={n} m={} dmax={dmax} graph {tg:?} orc {to:?} a0 {t0:?} forman {tf:?} balanced {tb:?} sum {} {}",
            e.len(),
            r.iter().map(|r| r.nearest()).sum::<f64>(),
            fr.iter().sum::<f64>() + r0[0].nearest()
        );
        if let Ok(x) = std::fs::read_to_string(f.replace(".txt", ".orc")) {
            let d = x.lines().zip(&r).map(|(a, b)| (a.parse::<f64>().unwrap() - b.nearest()).abs()).fold(0., f64::max);
            println!("   max diff {d}");
        }
    }
}
