package prom

import (
	"net"
	"strings"
	"unicode/utf8"
)

// identity is what the labels of a series say about whom they speak of.
type identity struct {
	host, model, gpu string
	uuid, product    string // of the GPU
}

// The labels that name a thing, the surest first.
var (
	hostLabels  = []string{"hostname", "Hostname", "host", "node", "nodename", "kubernetes_node"}
	modelLabels = []string{"model_name", "model", "served_model_name", "litellm_model_name", "requested_model", "model_group"}
)

// The longest texts that an event takes.
const (
	maxHost  = 1 << 10
	maxModel = 256
)

// identify reads the labels. What the operator says wins.
func identify(s *Sample, o *Origin) (who identity) {
	who.host = first(o.Labels, hostLabels)
	if who.host == "" {
		who.host = first(s.Labels, hostLabels)
	}
	if who.host == "" && o.Time == 0 { // Prometheus names whom it read
		who.host = withoutPort(s.label("instance"))
	}
	if who.host == "" {
		who.host = o.Host
	}
	who.model = first(o.Labels, modelLabels)
	if who.model == "" {
		who.model = first(s.Labels, modelLabels)
	}
	who.gpu = s.label("gpu")
	who.uuid = s.label("UUID")
	if id := s.label("uuid"); who.uuid == "" && (who.gpu != "" || strings.HasPrefix(id, "GPU-") || strings.HasPrefix(id, "MIG-")) {
		who.uuid = id
	}
	if who.gpu == "" {
		who.gpu = who.uuid
	}
	if slice := s.label("GPU_I_ID"); slice != "" && who.gpu != "" { // one slice of a GPU
		who.gpu += "/" + slice
	}
	if who.gpu != "" {
		who.product = s.label("modelName")
	}
	who.host, who.model, who.gpu = cutText(who.host, maxHost), cutText(who.model, maxModel), cutText(who.gpu, maxModel)
	return who
}

func (g *group) learn(who identity) {
	if g.uuid == "" {
		g.uuid = cutText(who.uuid, maxModel)
	}
	if g.product == "" {
		g.product = cutText(who.product, maxModel)
	}
}

func first(labels []Label, names []string) string {
	for _, name := range names {
		for i := range labels {
			if labels[i].Name == name && labels[i].Value != "" {
				return labels[i].Value
			}
		}
	}
	return ""
}

func withoutPort(address string) string {
	if host, _, err := net.SplitHostPort(address); err == nil {
		return host
	}
	return address
}

// cutText cuts at the border of a character.
func cutText(s string, n int) string {
	if len(s) <= n {
		return s
	}
	for n > 0 && !utf8.RuneStart(s[n]) {
		n--
	}
	return s[:n]
}
