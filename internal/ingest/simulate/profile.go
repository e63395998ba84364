package simulate

import (
	"errors"
	"fmt"
	"math"
	"slices"

	"github.com/hxp-enterprise/hxp/internal/kit/conf"
)

// Profile says what traffic is made.
type Profile struct {
	Rate     float64  `yaml:"rate" default:"50" min:"0.001" max:"1000000" doc:"Requests a second, on average."`
	Scenario Scenario `yaml:"-"`
	Named    string   `yaml:"scenario" default:"steady" enum:"steady,diurnal,incident,drift" doc:"How the traffic behaves over time."`
	Hosts    int      `yaml:"hosts" default:"4" min:"1" max:"16" doc:"Machines that serve the models, in turn."`
	Users    int      `yaml:"users" default:"400" min:"1" max:"1000000" doc:"Users; a few of them make most of the traffic."`
	Models   []Model  `yaml:"models" doc:"The models; without any, four usual ones."`
}

// Model is how one model behaves. Lengths and times are log-normal around their medians.
type Model struct {
	Name             string  `yaml:"name" doc:"Name of the model."`
	Weight           float64 `yaml:"weight" default:"1" min:"0" doc:"Its part of the requests, against the weights of the others."`
	PromptTokens     float64 `yaml:"prompt_tokens" default:"900" min:"1" doc:"Median length of a prompt."`
	CompletionTokens float64 `yaml:"completion_tokens" default:"240" min:"1" doc:"Median length of an answer."`
	TTFT             float64 `yaml:"ttft_ms" default:"150" min:"0.1" doc:"Median time to the first token at 1,000 prompt tokens, in milliseconds."`
	TPOT             float64 `yaml:"tpot_ms" default:"14" min:"0.01" doc:"Median time for each further token, in milliseconds."`
	ErrorRate        float64 `yaml:"error_rate" default:"0.01" min:"0" max:"1" doc:"Share of requests that fail."`
	PromptUSD        float64 `yaml:"usd_per_million_prompt" default:"0.2" min:"0" doc:"Price of a million prompt tokens in US dollars."`
	CompletionUSD    float64 `yaml:"usd_per_million_completion" default:"0.3" min:"0" doc:"Price of a million tokens of answers in US dollars."`
}

// Validate reports what is wrong with a model.
func (m Model) Validate() error {
	if m.Name == "" {
		return errors.New("name: give the model a name")
	}
	return nil
}

// usual are the models of a profile that names none.
var usual = []Model{
	{"mixtral-8x7b", .38, 1400, 320, 240, 21, .005, .45, .70},
	{"hermes-2", .27, 900, 240, 150, 14, .004, .20, .30},
	{"openchat-3.5", .22, 600, 180, 110, 11, .0045, .15, .20},
	{"phi-3-mini", .13, 420, 130, 55, 6, .003, .05, .08},
}

// ReadProfile reads a profile from a YAML file. The error names each fault with its line.
func ReadProfile(path string) (Profile, error) {
	var f struct {
		Profile Profile `file:"profile"`
	}
	if err := conf.LoadFile(&f, path); err != nil {
		return Profile{}, err
	}
	p := f.Profile
	p.Scenario = Scenario(p.Named)
	if len(p.Models) > 0 && !slices.ContainsFunc(p.Models, func(m Model) bool { return m.Weight > 0 }) {
		return Profile{}, fmt.Errorf("%s: models: at least one needs a weight above 0", path)
	}
	return p, nil
}

// withDefaults fills what was left zero.
func (p Profile) withDefaults() Profile {
	if p.Rate <= 0 {
		p.Rate = 50
	}
	if p.Hosts <= 0 || p.Hosts > 16 {
		p.Hosts = 4
	}
	if p.Users <= 0 {
		p.Users = 400
	}
	if len(p.Models) == 0 {
		p.Models = usual
	}
	return p
}

const swing = .6 // of a day around its mean

// busiest is how many requests a second come at the busiest hour.
func (p *Profile) busiest() float64 {
	if p.Scenario == Diurnal {
		return p.Rate * (1 + swing)
	}
	return p.Rate
}

// takes is how long a request to the model takes on average, in seconds: the mean of a log-normal is above its median.
func (m *Model) takes() float64 {
	ttft := m.TTFT * (.4 + .6*m.PromptTokens*math.Exp(.8*.8/2)/1000)
	return (ttft + m.TPOT*m.CompletionTokens*math.Exp(.7*.7/2)) / 1000
}
