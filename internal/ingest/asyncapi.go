package ingest

import (
	"encoding/json"
	"net/http"
	"strconv"

	"github.com/hxp-enterprise/hxp/api"
	"github.com/hxp-enterprise/hxp/internal/event"
	"github.com/hxp-enterprise/hxp/internal/kit/httpx"
)

type object = map[string]any

// topicDocs says what the topics carry.
var topicDocs = map[string]string{
	event.TopicPanes:        "Flush journal of the windows: units of panes, in a format of its own. One partition for each partition number of the input topics.",
	event.TopicJoins:        "Parts of requests that were read on another partition than that of their join number, in a format of its own. Its number of partitions never changes.",
	event.TopicCorrelations: "What was joined by request id.",
	event.TopicAlerts:       "Decisions of rules.",
	event.TopicResponses:    "Audit of what was done.",
	event.TopicLate:         "Copies of events that came more than the lateness after the watermark.",
	event.TopicDeployments:  "What was put to work: deployments that events tell of, and models and versions of prompts seen for the first time.",
	event.TopicDeadLetters:  "What was refused, whole: the value is the original, headers say where it was read, when, and why.",
	event.TopicAudit:        "Who changed what: a record each, with the sha256 of the one before. One partition, kept for ever.",
	event.TopicControl:      "Commands that every instance applies in order: schemas registered, routes put. One partition, kept for ever.",
}

// AsyncAPI describes all topics and their messages as AsyncAPI 3. The messages of the event topics are the JSON Schemas that
// GET /schemas gives.
func AsyncAPI(version string) []byte {
	channels, operations, messages := object{}, object{}, object{}
	for _, t := range event.Topics {
		config := object{"cleanup.policy": []string{"delete"}, "retention.ms": -1}
		if t.Retention > 0 {
			config["retention.ms"] = t.Retention.Milliseconds()
		}
		kafka := object{"topic": t.Name, "topicConfiguration": config, "bindingVersion": "0.5.0"}
		if t.Partitions > 0 {
			kafka["partitions"] = t.Partitions
		}
		channel := object{"address": t.Name, "description": topicDocs[t.Name], "bindings": object{"kafka": kafka}}
		if k, ok := event.KindOfTopic(t.Name); ok {
			channel["description"] = "Events of the kind " + k.String() + "."
			channel["messages"] = object{k.String(): object{"$ref": "#/components/messages/" + k.String()}}
			messages[k.String()] = messageOf(k)
			operations["take_"+k.String()] = object{
				"action": "receive", "title": "Take " + k.String(), "channel": object{"$ref": "#/channels/" + t.Name},
				"description": "hxp reads every record: as JSON in the canonical, flat or bare form, as a CloudEvent 1.0 (binary or structured), or in the wire format of the schema registry (JSON or Avro).",
				"messages":    []object{{"$ref": "#/channels/" + t.Name + "/messages/" + k.String()}},
			}
		}
		channels[t.Name] = channel
	}
	doc := object{
		"asyncapi": "3.0.0", "defaultContentType": "application/json",
		"info":     object{"title": "hxp topics", "version": version, "description": "Topics of hxp and what they carry. The defaults of an installation; GET /topics tells what is."},
		"channels": channels, "operations": operations, "components": object{"messages": messages},
	}
	b, err := json.MarshalIndent(doc, "", "  ")
	if err != nil {
		panic(err) // made of maps and texts
	}
	return append(b, '\n')
}

func messageOf(k event.Kind) object {
	text, _ := api.Schema(k.String(), event.SchemaVersion) // a test holds that it is there
	return object{
		"name": k.String(), "title": k.String(), "contentType": "application/json",
		"summary": "One event. The key is the request id, else the host, else the event id.",
		"payload": object{"schemaFormat": "application/schema+json;version=2020-12", "schema": json.RawMessage(text)},
	}
}

func (a *API) getAsyncAPI(w http.ResponseWriter, _ *http.Request) {
	text := AsyncAPI(a.Version)
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Content-Length", strconv.Itoa(len(text)))
	_, _ = w.Write(text) // the client is gone: nobody to tell
}

func (a *API) mountAsyncAPI(m *httpx.Mux) {
	m.HandleFunc("GET /asyncapi.json", a.getAsyncAPI, httpx.Doc("The topics and their messages as AsyncAPI 3."), httpx.SameForEveryTenant(), httpx.Answer("200", "the document", httpx.Schema{"type": "object"}))
}
