package runtime

import "testing"

func TestActor(t *testing.T) {
	roles := Roles()
	for i, have := range roles {
		for j, need := range roles {
			if got := (Actor{Name: "a", Role: have}).May(need); got != (i >= j) {
				t.Errorf("%s may what needs %s: %v", have, need, got)
			}
		}
	}
	for _, a := range []Actor{{Name: "a"}, {Name: "a", Role: "root"}, {Role: "ADMIN"}} {
		if a.May(RoleViewer) || a.Itself() || a.Role.Known() {
			t.Errorf("%+v may read", a)
		}
	}
	if (Actor{Role: RoleAdmin}).May("root") {
		t.Error("an admin may what needs a role that there is not")
	}
	if self := (Actor{}); !self.Itself() || !self.May(RoleAdmin) || !self.MayChange("pay") || !self.MayChange("") {
		t.Error("the process itself may not do everything")
	}
	bound := Actor{Name: "a", Role: RoleOperator, Teams: []string{"pay"}}
	if !bound.MayChange("pay") || bound.MayChange("ads") || bound.MayChange("") {
		t.Errorf("%+v is not bound to its team", bound)
	}
}
