package live

import (
	"encoding/json"
	"net/http"
	"slices"
	"strconv"
)

type object = map[string]any

// AsyncAPI describes the messages of the streams as AsyncAPI 3.
func (h *Hub) AsyncAPI(version string) []byte {
	all, toClient, toServer := object{}, []object{}, []object{}
	for _, m := range messages(h.names()) {
		all[m.name] = object{"name": m.name, "title": m.name, "summary": m.about, "contentType": "application/json", "payload": object{
			"schemaFormat": "application/schema+json;version=2020-12", "schema": m.schema}}
		ref := object{"$ref": "#/channels/socket/messages/" + m.name}
		if m.fromClient {
			toServer = append(toServer, ref)
		} else {
			toClient = append(toClient, ref)
		}
	}
	inSocket, inStream := object{}, object{}
	for _, m := range messages(nil) {
		inSocket[m.name] = object{"$ref": "#/components/messages/" + m.name}
		if !m.fromClient && m.name != "pong" {
			inStream[m.name] = inSocket[m.name]
		}
	}
	doc := object{
		"asyncapi": "3.0.0", "defaultContentType": "application/json",
		"info": object{"title": "hxp streams", "version": version, "description": "What hxp tells as it happens. The queries of both channels are in openapi.json."},
		"channels": object{
			"socket": object{"address": "/ws", "description": "WebSocket, subprotocol " + Protocol + ": each text frame is a message.", "messages": inSocket,
				"bindings": object{"ws": object{"method": "GET", "bindingVersion": "0.1.0"}}},
			"stream": object{"address": "/stream", "description": "Server-sent events: the event is the topic (or hello), the id EPOCH.SEQ, the data the message on one line.", "messages": inStream},
		},
		"operations": object{
			"tell": object{"action": "send", "title": "Tell clients", "channel": object{"$ref": "#/channels/socket"}, "messages": toClient},
			"obey": object{"action": "receive", "title": "Do what a client says", "channel": object{"$ref": "#/channels/socket"}, "messages": toServer},
		},
		"components": object{"messages": all},
	}
	b, err := json.MarshalIndent(doc, "", "  ")
	if err != nil {
		panic(err) // made of maps and texts
	}
	return append(b, '\n')
}

// messageDoc describes a message.
type messageDoc struct {
	name, about string
	fromClient  bool
	schema      object
}

// messages are those of the protocol, over topics.
func messages(topics []string) []messageDoc {
	text, number := object{"type": "string"}, object{"type": "integer", "minimum": 1}
	topic, moment := object{"enum": topics}, object{"type": "string", "format": "date-time"}
	names := object{"type": "array", "items": topic, "minItems": 1}
	interval := object{"type": "integer", "minimum": 1, "maximum": 60_000}
	told := func(more object) object {
		fields := object{"topic": topic, "epoch": text, "seq": number, "t": moment}
		for name, schema := range more {
			fields[name] = schema
		}
		return fields
	}
	state := object{"watermark": object{"type": []string{"string", "null"}, "format": "date-time"}, "data": object{"type": "object"}}
	return []messageDoc{
		{"hello", "Comes first.", false, says("hello", object{"epoch": text, "topics": object{"type": "array", "items": topic}, "interval_ms": interval})},
		{"snapshot", "A state as a whole.", false, says("snapshot", told(state))},
		{"update", "A merge patch (RFC 7396) on the state that was told last.", false, says("update", told(state))},
		{"event", "Something happened: an event in the canonical form, an alert, a joined request, a record of the responses, a notification.", false, says("event", told(object{"data": object{"type": "object"}}))},
		{"reset", "Of this topic something may be missing before what comes next.", false, says("reset", object{"topic": topic, "epoch": text, "reason": text})},
		{"error", "What was asked for was wrong, or a client gets less than there is (" + codeDropped + ").", false, says("error", object{"code": text, "detail": text})},
		{"pong", "The answer to a ping.", false, says("pong", nil)},
		{"subscribe", "Adds topics, or changes filter and interval of those that are there.", true, says("subscribe", object{"topics": names}, object{"filter": object{"type": "object", "properties": object{"model": text}, "additionalProperties": false}, "interval_ms": interval})},
		{"unsubscribe", "Ends topics.", true, says("unsubscribe", object{"topics": names})},
		{"ping", "Asks for a pong.", true, says("ping", nil)},
	}
}

// says is the schema of a message with members that are always there, and others.
func says(kind string, members object, others ...object) object {
	fields, required := object{"type": object{"const": kind}}, []string{"type"}
	for name, schema := range members {
		fields[name] = schema
		required = append(required, name)
	}
	for _, more := range others {
		for name, schema := range more {
			fields[name] = schema
		}
	}
	slices.Sort(required)
	return object{"type": "object", "properties": fields, "required": required}
}

func (h *Hub) serveAsyncAPI(w http.ResponseWriter, _ *http.Request) {
	text := h.AsyncAPI(h.cfg.Version)
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Content-Length", strconv.Itoa(len(text)))
	_, _ = w.Write(text) // the client is gone: nobody to tell
}
