package httpx

import (
	"net/url"
	"reflect"
	"testing"
)

func TestUnknown(t *testing.T) {
	v, _ := url.ParseQuery("withou=model:m&model=a&model=b&without=model:a&without=model:b&at=")
	want := []FieldError{{Pointer: "model", Code: "repeated_parameter", Detail: "given 2 times"}, {Pointer: "withou", Code: "unknown_parameter", Detail: "unknown parameter; known are at, model, without"}}
	if got := Unknown(v, "at", "model", "without"); !reflect.DeepEqual(got, want) {
		t.Errorf("%+v", got)
	}
	if got := Unknown(url.Values{"x": {""}}); len(got) != 1 || got[0].Detail != "unknown parameter; there are none" {
		t.Errorf("%+v", got)
	}
}
