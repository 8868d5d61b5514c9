package chart

import "strconv"

// A Heat is a map of ratios: a row and a column each, and what was said of them.
type Heat struct {
	Name    string
	Corner  string // what rows and columns are
	Rows    []string
	Columns []string
	Cells   [][]HeatCell // by row and column
}

// A HeatCell is one ratio. The zero value is empty.
type HeatCell struct {
	Ratio   float64
	Tone    Tone // Good and Bad have a colour by how far the ratio is from 1
	Text    string
	Verdict string
	Title   string // tooltip
}

const heatRow = 46.0

// heatSymbols say again what the colour says.
var heatSymbols = map[Tone]string{Good: "▼", Bad: "▲", Even: "=", Open: "?", Unlike: "≠"}

// SVG returns the figure, or "" without cells. It is as wide as its columns need,
// which may be wider than a page.
func (h *Heat) SVG() string {
	if len(h.Rows) == 0 || len(h.Columns) == 0 {
		return ""
	}
	left, header, column := TextWidth("at", h.Corner, smallSize)+20, 0.0, 92.0
	for _, row := range h.Rows {
		for _, line := range wrap("", row, 230, textSize) {
			left = max(left, TextWidth("", line, textSize)+20)
		}
	}
	if room := (forestWidth - left) / float64(len(h.Columns)); room > column {
		column = min(room, 170)
	}
	var columns [][]string
	for _, label := range h.Columns {
		lines := wrap("", label, column-8, smallSize)
		columns = append(columns, lines)
		for _, line := range lines {
			column = max(column, TextWidth("", line, smallSize)+8)
		}
		header = max(header, float64(len(lines))*smallSize*leading)
	}
	width := max(left+column*float64(len(h.Columns))+2, 600)
	top := header + 14
	height := top + heatRow*float64(len(h.Rows)) + 76
	c := &canvas{}
	c.open(width, height, h.Name)
	c.text(2, top-10, "start", "at", h.Corner, smallSize)
	for i, lines := range columns {
		for j, line := range lines {
			y := top - 10 - float64(len(lines)-1-j)*smallSize*leading
			c.text(left+column*(float64(i)+.5), y, "middle", "tick", line, smallSize)
		}
	}
	for i, row := range h.Rows {
		y := top + heatRow*float64(i)
		lines := wrap("", row, 230, textSize)
		for j, line := range lines {
			offset := (float64(j) - float64(len(lines)-1)/2) * textSize * 1.2
			c.text(left-12, y+heatRow/2+offset+.36*textSize, "end", "", line, textSize)
		}
		for j, cell := range h.Cells[i] {
			x := left + column*float64(j)
			cell.write(c, Box{x + 1.5, y + 1.5, x + column - 1.5, y + heatRow - 1.5})
		}
	}
	heatLegend(c, width, top+heatRow*float64(len(h.Rows))+18)
	c.add("</svg>")
	return c.String()
}

func (cell *HeatCell) write(c *canvas, b Box) {
	if cell.Text == "" {
		c.rect("cell none", b, "not measured, or nothing to compare with")
		return
	}
	c.rect("cell "+cell.class(), b, cell.Title)
	middle := (b.Left + b.Right) / 2
	c.text(middle, b.Top+19, "middle", "ct", heatSymbols[cell.Tone]+" "+cell.Text, textSize)
	c.text(middle, b.Top+36, "middle", "ct", cell.Verdict, 12)
}

// class returns the colour of a cell.
func (cell *HeatCell) class() string {
	switch cell.Tone {
	case Good:
		return "f" + strconv.Itoa(max(1, -toneOf(cell.Ratio)))
	case Bad:
		return "b" + strconv.Itoa(max(1, toneOf(cell.Ratio)))
	}
	return string(cell.Tone)
}

// heatLegend tells what the colours mean.
func heatLegend(c *canvas, width, y float64) {
	x := 2.0
	for _, entry := range [][2]string{
		{"f3", "below ⅛"}, {"f2", "⅛ to ½"}, {"f1", "½ to 1"}, {"even", "= equivalent"}, {"b1", "1 to 2×"},
		{"b2", "2 to 8×"}, {"b3", "above 8×"}, {"open", "? undecided"}, {"unlike", "≠ unlike work"},
	} {
		advance := 24 + TextWidth("", entry[1], smallSize) + 14
		if x+advance > width {
			x, y = 2, y+26
		}
		c.rect("cell "+entry[0], Box{x, y, x + 18, y + 18}, "")
		c.text(x+24, y+14, "start", "tick", entry[1], smallSize)
		x += advance
	}
}
