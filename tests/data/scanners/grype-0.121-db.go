// Writes a small vulnerability database of Grype's schema 6 into the folder named first, with Grype's own code.
// Its contents are a handful of public advisories, typed in by hand: enough for one test image.
package main

import (
	"os"
	"time"

	v6 "github.com/anchore/grype/grype/db/v6"
	"github.com/spf13/afero"
)

func must(err error) {
	if err != nil {
		panic(err)
	}
}

var captured = time.Date(2026, 11, 24, 0, 0, 0, 0, time.UTC)

func provider(id string) *v6.Provider {
	return &v6.Provider{ID: id, Version: "1", Processor: "by hand", DateCaptured: &captured}
}

func weakness(source, id, severity, description, link string, published time.Time, aliases ...string) *v6.VulnerabilityHandle {
	return &v6.VulnerabilityHandle{
		Name: id, Status: v6.VulnerabilityActive, PublishedDate: &published, ProviderID: source, Provider: provider(source),
		BlobValue: &v6.VulnerabilityBlob{
			ID: id, Description: description, Aliases: aliases,
			References: []v6.Reference{{URL: link}},
			Severities: []v6.Severity{{Scheme: v6.SeveritySchemeCHMLN, Value: severity, Rank: 1}},
		},
	}
}

func affected(w *v6.VulnerabilityHandle, os *v6.OperatingSystem, ecosystem, name, kind, constraint string, fix v6.Fix, cves ...string) *v6.AffectedPackageHandle {
	return &v6.AffectedPackageHandle{
		Vulnerability: w, OperatingSystem: os, Package: &v6.Package{Ecosystem: ecosystem, Name: name},
		BlobValue: &v6.PackageBlob{CVEs: cves, Ranges: []v6.Range{{
			Version: v6.Version{Type: kind, Constraint: constraint}, Fix: &fix,
		}}},
	}
}

func main() {
	folder := os.Args[1]
	must(os.MkdirAll(folder, 0o755))
	db, err := v6.NewWriter(v6.Config{DBDirPath: folder})
	must(err)
	must(db.SetDBMetadata())
	debian := &v6.OperatingSystem{Name: "debian", ReleaseID: "debian", MajorVersion: "12", Codename: "bookworm"}
	day := func(y int, m time.Month, d int) time.Time { return time.Date(y, m, d, 0, 0, 0, 0, time.UTC) }

	xml := weakness("debian", "CVE-2023-52426", "medium", "libexpat through 2.5.0 allows recursive XML Entity Expansion if XML_DTD is undefined at compile time.",
		"https://security-tracker.debian.org/tracker/CVE-2023-52426", day(2024, 2, 4))
	perl := weakness("debian", "CVE-2011-4116", "negligible", "", "https://security-tracker.debian.org/tracker/CVE-2011-4116", day(2020, 1, 31))
	expat := weakness("debian", "CVE-2024-45490", "high", "xmlparse.c in libexpat does not reject a negative length for XML_ParseBuffer.",
		"https://security-tracker.debian.org/tracker/CVE-2024-45490", day(2024, 8, 30))
	expatNvd := weakness("nvd", "CVE-2024-45490", "critical", "An issue was discovered in libexpat before 2.6.3.",
		"https://nvd.nist.gov/vuln/detail/CVE-2024-45490", day(2024, 8, 30))
	spawn := weakness("github", "GHSA-3xgq-45jj-v275", "high", "Regular Expression Denial of Service (ReDoS) in cross-spawn",
		"https://github.com/advisories/GHSA-3xgq-45jj-v275", day(2024, 11, 8), "CVE-2024-21538")
	jinja := weakness("github", "GHSA-h75v-3vvj-5mfj", "medium", "Jinja vulnerable to HTML attribute injection when passing user input as keys to xmlattr filter",
		"https://github.com/advisories/GHSA-h75v-3vvj-5mfj", day(2024, 5, 6), "CVE-2024-34064")
	for _, one := range []*v6.VulnerabilityHandle{xml, perl, expat, expatNvd, spawn, jinja} {
		must(db.AddVulnerabilities(one))
	}
	must(db.AddAffectedPackages(
		affected(xml, debian, "deb", "expat", "dpkg", "", v6.Fix{State: v6.WontFixStatus}),
		affected(perl, debian, "deb", "perl", "dpkg", "", v6.Fix{State: v6.NotFixedStatus}),
		affected(expat, debian, "deb", "expat", "dpkg", "< 2.5.0-1+deb12u1", v6.Fix{Version: "2.5.0-1+deb12u1", State: v6.FixedStatus}),
		affected(spawn, nil, "npm", "cross-spawn", "semver", ">=7.0.0,<7.0.5", v6.Fix{Version: "7.0.5", State: v6.FixedStatus}, "CVE-2024-21538"),
		affected(jinja, nil, "python", "jinja2", "python", "<3.1.4", v6.Fix{Version: "3.1.4", State: v6.FixedStatus}, "CVE-2024-34064"),
	))
	must(db.Close())
	_, err = v6.WriteImportMetadata(afero.NewOsFs(), folder, "by hand")
	must(err)
}
