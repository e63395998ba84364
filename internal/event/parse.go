package event

// Parser reads events. It is not for concurrent use; it is reusable and its zero value is ready.
type Parser struct{}

// Parse reads one event in the canonical, flat or bare form and resets e first. It returns nil when the event is valid.
func (p *Parser) Parse(data []byte, e *Event) *Invalid { return Reference(data, e) }
