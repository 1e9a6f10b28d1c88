//! The slopes as a picture: size on a logarithmic axis, cost from zero, one line each for profiles and items.

use std::fmt::Write as _;

const WIDTH: f64 = 460.0;
const HEIGHT: f64 = 320.0;
const LEFT: f64 = 60.0;
const BOTTOM: f64 = 50.0;
const TOP: f64 = 60.0;
const RIGHT: f64 = 20.0;

/// A line of a chart.
#[derive(Clone, Debug)]
pub(crate) struct Line {
    /// Its name.
    pub(crate) name: &'static str,
    /// Colour.
    pub(crate) colour: &'static str,
    /// Size and cost.
    pub(crate) points: Vec<(f64, f64)>,
}

/// Charts side by side, each with its title, as an SVG document.
pub(crate) fn svg(charts: &[(&str, Vec<Line>)]) -> String {
    let width = WIDTH * charts.len() as f64;
    let mut out = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {width} {HEIGHT}\" width=\"{width}\" \
         height=\"{HEIGHT}\" font-family=\"sans-serif\" font-size=\"12\">\n<rect width=\"100%\" height=\"100%\" \
         fill=\"#fff\"/>\n"
    );
    for (index, (title, lines)) in charts.iter().enumerate() {
        let _infallible = writeln!(out, "<g transform=\"translate({},0)\">", WIDTH * index as f64);
        chart(&mut out, title, lines);
        out.push_str("</g>\n");
    }
    out + "</svg>\n"
}

fn chart(out: &mut String, title: &str, lines: &[Line]) {
    let points = || lines.iter().flat_map(|line| &line.points);
    let (low, high) = points().fold((f64::MAX, f64::MIN), |(low, high), (size, _)| {
        (low.min(size.log10().floor()), high.max(size.log10().ceil()))
    });
    let top = ceiling(points().map(|(_, cost)| *cost).fold(0.0, f64::max));
    let x = |size: f64| LEFT + (size.log10() - low) / (high - low).max(1.0) * (WIDTH - LEFT - RIGHT);
    let y = |cost: f64| HEIGHT - BOTTOM - cost / top * (HEIGHT - BOTTOM - TOP);
    let mut text = |x: f64, y: f64, anchor: &str, text: &str| {
        let _infallible =
            writeln!(out, "<text x=\"{x:.0}\" y=\"{y:.0}\" text-anchor=\"{anchor}\">{text}</text>");
    };
    text(WIDTH / 2.0, 20.0, "middle", title);
    text(WIDTH / 2.0, HEIGHT - 10.0, "middle", "profiles in the store, items in the catalogue");
    for step in 0..=4 {
        let cost = top * f64::from(step) / 4.0;
        text(
            LEFT - 6.0,
            y(cost) + 4.0,
            "end",
            format!("{cost:.4}").trim_end_matches('0').trim_end_matches('.'),
        );
    }
    for power in (low as i32)..=(high as i32) {
        let label = format!("10<tspan dy=\"-5\" font-size=\"9\">{power}</tspan>");
        text(x(10_f64.powi(power)), HEIGHT - BOTTOM + 18.0, "middle", &label);
    }
    for step in 0..=4 {
        let height = y(top * f64::from(step) / 4.0);
        let _infallible =
            writeln!(out, "<path d=\"M{LEFT} {height:.1}H{:.1}\" stroke=\"#ddd\"/>", WIDTH - RIGHT);
    }
    for (index, line) in (0_u32..).zip(lines) {
        drawn(out, line, index, &x, &y);
    }
}

fn drawn(out: &mut String, line: &Line, index: u32, x: &dyn Fn(f64) -> f64, y: &dyn Fn(f64) -> f64) {
    let Line { name, colour, points } = line;
    let path: Vec<String> =
        points.iter().map(|(size, cost)| format!("{:.1},{:.1}", x(*size), y(*cost))).collect();
    let _infallible = writeln!(
        out,
        "<polyline points=\"{}\" fill=\"none\" stroke=\"{colour}\" stroke-width=\"2\"/>",
        path.join(" ")
    );
    for (size, cost) in points {
        let _infallible = writeln!(
            out,
            "<circle cx=\"{:.1}\" cy=\"{:.1}\" r=\"3.5\" fill=\"{colour}\"><title>{name} {size:.0}: {cost:.2}</title></circle>",
            x(*size),
            y(*cost)
        );
    }
    let left = LEFT + 110.0 * f64::from(index);
    let _infallible = writeln!(
        out,
        "<rect x=\"{left}\" y=\"32\" width=\"12\" height=\"12\" fill=\"{colour}\"/><text x=\"{}\" y=\"42\">{name}</text>",
        left + 18.0
    );
}

/// The next round number.
fn ceiling(most: f64) -> f64 {
    let unit = 10_f64.powf(most.max(1e-9).log10().floor());
    [1.0, 2.0, 4.0, 5.0, 8.0, 10.0]
        .map(|step| step * unit)
        .into_iter()
        .find(|&top| top >= most)
        .unwrap_or(most)
}
