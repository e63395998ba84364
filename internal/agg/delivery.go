package agg

import "time"

// DeliveryState is where a report stands on its way to somebody.
type DeliveryState string

// The states. A document that changed after it was sent goes out again when somebody asks for it: then sent becomes waiting.
const (
	DeliveryWaiting DeliveryState = "waiting"
	DeliverySending DeliveryState = "sending"
	DeliverySent    DeliveryState = "sent"
	DeliveryFailed  DeliveryState = "failed"
)

// DeliveryStates lists every state.
var DeliveryStates = []DeliveryState{DeliveryWaiting, DeliverySending, DeliverySent, DeliveryFailed}

// Delivery is a report on its way to one target. Its id says which report and which target, so that asking again finds it.
type Delivery struct {
	ID, Report string
	Way        string // mail, webhook, folder
	Target     string
	State      DeliveryState
	SHA256     string // of the document that was sent or is being sent; "" = none yet
	Attempts   int64
	Uncertain  int64 // tries that were cut before the answer, so that the document may have arrived
	CreatedAt  time.Time
	NextAt     time.Time // not before; of a try that is under way, when it is given up for lost
	SentAt     *time.Time
	Machine    string // names the folder of reports that has the document
	Error      string // of the last try
}
