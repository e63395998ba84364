package report

import (
	"fmt"
	"slices"
)

// document is what a report says, in order, before it takes a form: the PDF and the pages for the web and for mail are drawn from it.
type document struct {
	kind     Kind
	period   Period
	title    string
	compared string // with what
	lead     string
	style    *style
	headline []Headline
	courses  [][]*float64 // of the headline, over the columns of the charts
	hero     *chart       // below the five numbers
	checks   [][2]string  // in place of the numbers, on a page of proof
	sections []section
	coverage [][2]string
	terms    []Term
	table    []byte // CSV, which is put into the PDF
	source   string // where all rows are
}

// section is a part of a document.
type section struct {
	key, title, about string
	blocks            []block
}

// block is a piece of a section.
type block interface {
	// least is the height without which it is not begun on a page.
	least() float64
	sheet(s *sheet)
	html(p *page)
}

// The blocks.
type (
	// charts stand in rows of two, or one alone over the whole width.
	charts []*chart
	// table has right-aligned figures; its head comes again on each page.
	table struct {
		columns []column
		rows    [][]cell
		total   []cell
		more    string // what is said below about rows that are not shown
	}
	column struct {
		head  string
		width float64 // in parts of 174; 0 = the rest
		left  bool
	}
	cell struct {
		text  string
		trend Trend
	}
	// bars compare shares of a whole.
	bars []bar
	bar  struct {
		name  string
		share float64 // of the longest possible, 0 to 1
		text  string
	}
	// facts are pairs of a name and a text.
	facts [][2]string
	// items are statements with the numbers behind each.
	items []item
	item  struct {
		title, text, right string
		tone               Trend
	}
	// prose is a text.
	prose string
)

// Limits of what a page shows; the CSV has all.
const mostModels, mostUsers, mostPeriods, mostItems = 60, 20, 124, 40

// text makes a cell of a text.
func text(s string) cell { return cell{text: s} }

// blank writes absent data as a dash, in tables.
func blank(text string) string {
	if text == noData {
		return "–"
	}
	return text
}

// newDocument begins a document of a kind.
func newDocument(k Kind, p Period, t *Template) *document {
	st := styleOf(t)
	return &document{kind: k, period: p, style: st, title: st.text("title", k.Title()), source: "the report in CSV"}
}

// addCharts appends a section of charts, without those that have nothing to show.
func (d *document) addCharts(key, title, about string, all ...*chart) {
	all = slices.DeleteFunc(all, (*chart).empty)
	if len(all) > 0 {
		d.add(key, title, about, charts(all))
	}
}

// add appends a section, unless there is nothing in it.
func (d *document) add(key, title, about string, blocks ...block) {
	if len(blocks) > 0 {
		d.sections = append(d.sections, section{key, d.style.text(key, title), d.style.text(key+".about", about), blocks})
	}
}

// mostAttached is how large a CSV may be to be put into the PDF; a document is for mailing.
const mostAttached = 2 << 20

// attach lets the document carry its rows, unless there are too many.
func (d *document) attach(table []byte) {
	d.source = "the report in CSV, which is too large to be attached"
	if len(table) <= mostAttached {
		d.table, d.source = table, "the attached "+string(d.kind)+".csv"
	}
}

// ordered are the sections as the template has them.
func (d *document) ordered() []section { return d.style.order(d.sections) }

// template is what made the document.
func (d *document) template() string {
	if d.style.name == "" {
		return Schema
	}
	return Schema + ", template " + d.style.name
}

// definitions are the terms, with the rate of the money when it is not the dollar.
func (d *document) definitions() []Term {
	c := &d.style.Currency
	if d.style.rate() == 1 {
		return d.terms
	}
	return append(d.terms[:len(d.terms):len(d.terms)], Term{"Money", fmt.Sprintf("Amounts are shown in %s at a fixed rate: 1 USD = %s %s. The data are in US dollars.", c.Code, c.Rate, c.Code)})
}

// render gives a form to the document; JSON and CSV are made from the data themselves.
func (d *document) render(format string) ([]byte, error) {
	switch format {
	case PDF:
		return d.pdf()
	case HTML:
		return d.web(), nil
	case Mail:
		return d.mail(), nil
	}
	return nil, fmt.Errorf("report: there is no format %q", format)
}

// earlierName is at the head of the second change.
func (d *document) earlierName() string { return d.period.earlierName(d.kind.Level()) }

// id is the name of what the document says, without its format.
func (d *document) id() string { return ID(d.kind, d.period, d.style.name) }
