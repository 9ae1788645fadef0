"""Two hundred texts that want to be more than text: vectors times ways out of where a text stands. Each carries the
mark, so that an element, an attribute or an address made of one is found.
"""

MARK = "zqx"

_VECTORS = (
    f"<script {MARK}>alert(1)</script>",
    f"<img {MARK} src=//{MARK}.example/x onerror=alert(1)>",
    f"<svg {MARK} onload=alert(1)>",
    f"<svg><script {MARK} href=data:,alert(1) />",
    f"<svg><animate {MARK} onbegin=alert(1) attributeName=x dur=1s>",
    f"<iframe {MARK} srcdoc='<script>parent.alert(1)</script>'>",
    f"<iframe {MARK} src=javascript:alert(1)>",
    f"<a {MARK} href=javascript:alert(1) autofocus onfocus=alert(1)>x</a>",
    f"<details {MARK} open ontoggle=alert(1)>",
    f"<input {MARK} autofocus onfocus=alert(1)>",
    f"<body {MARK} onload=alert(1)>",
    f"<style {MARK}>*{{background:url(//{MARK}.example/s)}}</style>",
    f"<link {MARK} rel=stylesheet href=//{MARK}.example/l>",
    f"<base {MARK} href=//{MARK}.example/>",
    f"<meta {MARK} http-equiv=refresh content='0;url=//{MARK}.example/'>",
    f"<form {MARK} action=//{MARK}.example/><button autofocus>x",
    f"<div {MARK} hx-get=//{MARK}.example/ hx-trigger=load>",
    f"<math><mi {MARK} xlink:href=javascript:alert(1)>x",
    f"{MARK}{{{{7*191}}}}",
    f"{MARK}${{alert(1)}}",
)
_WAYS_OUT = ("", '">', "'>", "</title>", "</textarea>", "</script>", "--><!--x-->", "]]>", '" x=', "\u2028</code>")

PAYLOADS = [way + vector for vector in _VECTORS for way in _WAYS_OUT]
assert len(PAYLOADS) == len(set(PAYLOADS)) == 200

# What a page is asked after all of them stood on it: nothing of them is an element, and nothing was worked out.
FOUND = f"""() => [
    ...[...document.querySelectorAll('[{MARK}]')].map(one => one.outerHTML.slice(0, 99)),
    ...(document.documentElement.textContent.includes('{MARK}1337') ? ['a template was worked out'] : []),
    ...(window.reports || []),
]"""
LISTENING = """window.reports = [];
document.addEventListener('securitypolicyviolation', one =>
    window.reports.push(`${one.violatedDirective} ${one.blockedURI} ${one.sample}`));"""
