// A bar chart as SVG: one bar for each contender, a line from its slowest to its fastest round.

const ROW = 24
const LABEL = 240
const BARS = 400
const FIGURE = 110

const escapeText = (text) => text.replace(/[&<>]/g, (sign) => ({ '&': '&amp;', '<': '&lt;', '>': '&gt;' })[sign])

function bar({ label, min, median, max, ours }, index, scale) {
  const y = 40 + index * ROW
  const x = (value) => (LABEL + value * scale).toFixed(1)
  return [
    `<text x="${LABEL - 8}" y="${y + 14}" text-anchor="end">${escapeText(label)}</text>`,
    `<rect x="${LABEL}" y="${y + 3}" width="${(median * scale).toFixed(1)}" height="${ROW - 8}" fill="${ours ? '#2f7d4f' : '#9aa5b1'}"/>`,
    `<line x1="${x(min)}" x2="${x(max)}" y1="${y + 11}" y2="${y + 11}" stroke="#222" stroke-width="1.5"/>`,
    `<text x="${Number(x(max)) + 6}" y="${y + 14}">${Math.round(median)}</text>`,
  ].join('\n')
}

/** @param {{ label: string, min: number, median: number, max: number, ours?: boolean }[]} rows larger is better */
export function barChart(title, rows) {
  const scale = BARS / Math.max(...rows.map(({ max }) => max))
  const [width, height] = [LABEL + BARS + FIGURE, 48 + rows.length * ROW]
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" font-family="sans-serif" font-size="12">`,
    `<rect width="${width}" height="${height}" fill="#fff"/>`,
    `<text x="12" y="22" font-size="14" font-weight="bold">${escapeText(title)}</text>`,
    ...rows.map((row, index) => bar(row, index, scale)),
    '</svg>\n',
  ].join('\n')
}
