//! What stands out, drawn: every edge as a spot, the first of the ranking by number and as bars.

use plotters::coord::Shift;
use plotters::prelude::*;

use crate::problem::Problem;

const SIZE: (u32, u32) = (1_240, 640);

/// Where the scatter ends and the bars begin.
const SPLIT: u32 = 640;

/// Bars at most: more lines could not be read.
const BARS_MAX: usize = 24;

/// Spots beyond the ranking at most; of more, every n-th is drawn.
const SPOTS_MAX: usize = 20_000;

/// Characters of a bar's label at most.
const LABEL_CHARS: usize = 44;

/// Okabe and Ito's (2008) blue and vermilion, which people with colour blindness tell apart.
const PLAIN: RGBColor = RGBColor(0, 114, 178);
const MARKED: RGBColor = RGBColor(213, 94, 0);
const INK: RGBColor = RGBColor(40, 40, 40);

/// An edge.
pub(super) struct Spot {
    pub(super) x: f64,
    pub(super) y: f64,
    /// What ranks.
    pub(super) score: f64,
    pub(super) label: String,
}

/// What to draw.
pub(super) struct Picture<'a> {
    pub(super) title: String,
    /// What the axes are.
    pub(super) x: String,
    pub(super) y: String,
    pub(super) score: String,
    /// The most suspicious first.
    pub(super) spots: &'a [Spot],
    /// How many are marked, as far as there is room.
    pub(super) shown: usize,
}

type Area<'a> = DrawingArea<SVGBackend<'a>, Shift>;
type Drawn<'a> = Result<(), DrawingAreaErrorKind<<SVGBackend<'a> as DrawingBackend>::ErrorType>>;

/// The picture as SVG.
pub(super) fn draw(picture: &Picture<'_>) -> Result<String, Problem> {
    let mut text = String::new();
    {
        let root = SVGBackend::with_string(&mut text, SIZE).into_drawing_area();
        root.fill(&WHITE).map_err(|error| Problem::internal(&error))?;
        let (left, right) = root.split_horizontally(SPLIT);
        scatter(&left, picture).map_err(|error| Problem::internal(&error))?;
        bars(&right, picture).map_err(|error| Problem::internal(&error))?;
        root.present().map_err(|error| Problem::internal(&error))?;
    }
    Ok(text)
}

fn font(size: u32) -> TextStyle<'static> {
    TextStyle::from(("sans-serif", size).into_font()).color(&INK)
}

/// Least and greatest, with some room; never empty.
fn range(values: impl Iterator<Item = f64>) -> std::ops::Range<f64> {
    let (least, most) = values.fold((f64::INFINITY, f64::NEG_INFINITY), |(a, b), value| (a.min(value), b.max(value)));
    let room = if most > least { (most - least) * 0.06 } else { 1.0 };
    if least.is_finite() { least - room..most + room } else { 0.0..1.0 }
}

fn scatter<'a>(area: &Area<'a>, picture: &Picture<'_>) -> Drawn<'a> {
    let marked = picture.shown.min(BARS_MAX).min(picture.spots.len());
    let (first, rest) = picture.spots.split_at(marked);
    let mut chart = ChartBuilder::on(area)
        .caption(&picture.title, font(16))
        .margin(12)
        .x_label_area_size(46)
        .y_label_area_size(60)
        .build_cartesian_2d(
            range(picture.spots.iter().map(|spot| spot.x)),
            range(picture.spots.iter().map(|spot| spot.y)),
        )?;
    chart
        .configure_mesh()
        .x_desc(&picture.x)
        .y_desc(&picture.y)
        .axis_desc_style(font(14))
        .label_style(font(12))
        .light_line_style(TRANSPARENT)
        .draw()?;
    let step = rest.len().div_ceil(SPOTS_MAX).max(1);
    chart.draw_series(
        rest.iter().step_by(step).map(|spot| Circle::new((spot.x, spot.y), 3, PLAIN.mix(0.45).filled())),
    )?;
    chart.draw_series(first.iter().map(|spot| Circle::new((spot.x, spot.y), 4, MARKED.filled())))?;
    // Numbers that would lie on one another are left to the bars.
    let mut taken: Vec<(i32, i32)> = Vec::new();
    for (index, spot) in first.iter().enumerate() {
        let (x, y) = chart.backend_coord(&(spot.x, spot.y));
        let is_free = taken.iter().all(|(other_x, other_y)| (x - other_x).abs() > 16 || (y - other_y).abs() > 12);
        if is_free {
            taken.push((x, y));
            let number = (index + 1).to_string();
            let place = EmptyElement::at((spot.x, spot.y)) + Text::new(number, (6, -6), font(12).color(&MARKED));
            chart.draw_series(std::iter::once(place))?;
        }
    }
    Ok(())
}

fn bars<'a>(area: &Area<'a>, picture: &Picture<'_>) -> Drawn<'a> {
    let shown = picture.spots.get(..picture.shown.min(BARS_MAX).min(picture.spots.len())).unwrap_or_default();
    let (width, _) = area.dim_in_pixel();
    area.draw(&Text::new(format!("The first {} by {}", shown.len(), picture.score), (16, 14), font(16)))?;
    let most = shown.iter().map(|spot| spot.score).fold(0.0, f64::max);
    // Names on the left, bars behind them, the number behind its bar.
    let (from, room) = (330, width as f64 - 330.0 - 56.0);
    for (index, spot) in shown.iter().enumerate() {
        let y = 46 + 24 * index as i32;
        let length = if most > 0.0 { (spot.score.max(0.0) / most * room) as i32 } else { 0 };
        area.draw(&Text::new(format!("{}", index + 1), (16, y + 2), font(13).color(&MARKED)))?;
        area.draw(&Text::new(shortened(&spot.label), (42, y + 2), font(13)))?;
        area.draw(&Rectangle::new([(from, y), (from + length, y + 16)], MARKED.mix(0.7).filled()))?;
        area.draw(&Text::new(format!("{:.2}", spot.score), (from + length + 6, y + 2), font(12)))?;
    }
    Ok(())
}

/// Control characters have no place in XML, and long names none in the picture.
fn shortened(label: &str) -> String {
    let label: String = label.chars().filter(|character| !character.is_control()).collect();
    if label.chars().count() <= LABEL_CHARS {
        return label;
    }
    label.chars().take(LABEL_CHARS - 1).chain(['…']).collect()
}
