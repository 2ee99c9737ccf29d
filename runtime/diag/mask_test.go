package diag

import "testing"

func TestMask(t *testing.T) {
	for in, want := range map[string]string{
		`garbage 7 password=hunter2 more`:                 `garbage 7 password=<hidden> more`,
		`{"password":"hunter2","value":1}`:                `{"password":<hidden>,"value":1}`,
		`db.passwd: hunter2, user: ann`:                   `db.passwd: <hidden>, user: ann`,
		`Authorization: Bearer abc.def-1234`:              `Authorization: Bearer <hidden>`,
		`?api-key=k1&access_token=k2&page=3`:              `?api-key=<hidden>&access_token=<hidden>&page=3`,
		`jdbc://ann:hunter2@db/x`:                         `jdbc://<hidden>@db/x`,
		`token = env://SLUICE_TOKEN`:                      `token = env://SLUICE_TOKEN`,
		`{"metric":"tokenBucketFill","value":12}`:         `{"metric":"tokenBucketFill","value":12}`,
		`{"tokenBucketFill":12,"torrent_task_id":"t-1"}`:  `{"tokenBucketFill":12,"torrent_task_id":"t-1"}`,
		`x_tokens{torrent_task_id="t-1"} basic settings`:  `x_tokens{torrent_task_id="t-1"} basic settings`,
		`passwords of all users are kept as digests here`: `passwords of all users are kept as digests here`,
	} {
		if got := Mask(in); got != want {
			t.Errorf("%s\n got %s\nwant %s", in, got, want)
		}
	}
}

func TestExcerpt(t *testing.T) {
	for _, c := range []struct {
		text string
		n    int
		want string
	}{{"abc", 3, "abc"}, {"abcd", 3, "abc…"}, {"aé", 2, "a…"}} {
		if got := Excerpt(c.text, c.n); got != c.want {
			t.Errorf("Excerpt(%q, %d) = %q, want %q", c.text, c.n, got, c.want)
		}
	}
}
