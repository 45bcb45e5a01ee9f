"""The shapes that makers gave their keys and tokens, so that one is known without a word around it."""

from __future__ import annotations

SHAPES = {
    "aws": r"(?:AKIA|ASIA|ABIA|ACCA|A3T[A-Z0-9])[A-Z0-9]{16}|ABSK[A-Za-z0-9+/]{80,}={0,2}|amzn\.mws\.[0-9a-f-]{36}",
    "github": r"gh[pousr]_[A-Za-z0-9]{30,255}|github_pat_[A-Za-z0-9_]{30,255}",
    "gitlab": r"gl(?:pat|oas|dt|rt|rtr|cbt|ptt|ft|ffct|soat|agent|imt|wt)-[A-Za-z0-9_.-]{18,}|GR1348941[A-Za-z0-9_-]{20}"
    r"|_gitlab_session=[0-9a-z]{32}",
    "openai and alike": r"sk-(?:proj|svcacct|admin|or-v1|None|lf|ant-(?:api|admin|sid)\d\d)-(?=[A-Za-z_-]*\d)[A-Za-z0-9_-]{20,}"
    r"|sk-(?=[A-Za-z]*\d)[A-Za-z0-9]{20,}",
    "slack": r"xox[bp](?:-\d{9,14}){1,3}-(?=\d{0,30}[A-Za-z])[A-Za-z0-9]{10,}|xox[os](?:-\d+){3}-[0-9a-fA-F]{8,}|xox[ar]-(?:\d-)?(?=[A-Za-z]*\d)[0-9A-Za-z]{10,}"
    r"|xoxe(?:\.xox[bp])?-\d-[A-Za-z0-9]{60,}|xoxe(?:-\d{9,14}){3}-[A-Za-z0-9]{20,}|xox[cd]-[A-Za-z0-9%-]{30,}|xapp-\d-[A-Z0-9]+-\d+-[A-Za-z0-9]+",
    "chat hooks": r"hooks\.slack\.com/(?:services|workflows|triggers)/[A-Za-z0-9+/]{30,}|discord(?:app)?\.com/api/webhooks/\d{17,20}/[\w-]{60,}"
    r"|[a-z0-9-]+\.webhook\.office\.com/webhookb2/[0-9a-f-]{36}@[0-9a-f-]{36}/IncomingWebhook/[0-9a-z]{32}/[0-9a-f-]{36}",
    "stripe": r"(?:sk|rk)_(?:live|test|prod)_[A-Za-z0-9]{10,}|whsec_[A-Za-z0-9+/=]{24,}",
    "google": r"AIza[A-Za-z0-9_-]{35}|ya29\.[A-Za-z0-9_-]{20,}|GOCSPX-[A-Za-z0-9_-]{28}|1//0[A-Za-z0-9_-]{40,}",
    "sendgrid": r"SG\.[A-Za-z0-9_-]{16,}\.[A-Za-z0-9_-]{16,}",
    "twilio": r"(?:SK|AC)[0-9a-fA-F]{32}",
    "packages": r"npm_[A-Za-z0-9]{36}|pypi-[A-Za-z0-9_-]{40,}|rubygems_[0-9a-f]{48}|dckr_(?:pat|oat)_[A-Za-z0-9_-]{20,}|oy2[a-z0-9]{43}"
    r"|CLOJARS_[a-z0-9]{60}|AKCp[A-Za-z0-9]{69}|cmVmd[A-Za-z0-9]{59}|ATCTT3[A-Za-z0-9_=-]{60,}|cio[A-Za-z0-9]{32}",
    "models": r"hf_[A-Za-z0-9]{30,}|api_org_[A-Za-z]{34}|r8_[A-Za-z0-9]{30,}|gsk_[A-Za-z0-9]{40,}|pplx-[A-Za-z0-9]{32,}"
    r"|xai-[A-Za-z0-9]{40,}|nvapi-[A-Za-z0-9_-]{40,}|fw_[A-Za-z0-9]{20,}|tgp_v1_[A-Za-z0-9_-]{30,}|lsv2_(?:pt|sk)_[0-9a-f]{32}_[0-9a-f]{10}"
    r"|jina_[A-Za-z0-9]{40,}|pcsk_[A-Za-z0-9_-]{40,}|tvly-(?:dev-)?[A-Za-z0-9]{20,}|csk-[a-z0-9]{40,}|e2b_[0-9a-f]{40}|sk_(?=[A-Za-z]*\d)[A-Za-z0-9]{40,}",
    "clouds": r"do[opr]_v1_[0-9a-f]{64}|dapi[0-9a-f]{32}|fo1_[A-Za-z0-9_-]{40,}|fm(?:1[ar]|2)_[A-Za-z0-9+/]{80,}|FlyV1 [A-Za-z0-9_,+/=-]{50,}"
    r"|HRKU-[A-Za-z0-9_-]{30,}|LTAI[A-Za-z0-9]{16,24}|AKID[A-Za-z0-9]{32}|vercel_[A-Za-z0-9]{24,}|v1\.0-[0-9a-f]{24}-[0-9a-f]{146}"
    r"|t1\.[\w-]+={0,2}\.[\w-]{86}={0,2}|AQVN[\w-]{35,38}|tk-us-[\w-]{48}|sha256~[\w-]{43}|ovh_[A-Za-z0-9]{32,}|rnd_[A-Za-z0-9]{28,}|sbp_[0-9a-f]{40}|napi_[a-z0-9]{60,}|nf[pcou]_[A-Za-z0-9]{36,}",
    "azure": r"(?<![A-Za-z0-9_.~-])[A-Za-z0-9_.~-]{3}\dQ~[A-Za-z0-9_.~-]{31,34}|AccountKey=[A-Za-z0-9+/]{80,}={0,2}"
    r"|SharedAccessKey=[A-Za-z0-9+/]{40,}={0,2}|[?&]sig=[A-Za-z0-9%/+]{40,}",
    "shops": r"shp(?:at|ca|pa|ss|tka)_[0-9a-fA-F]{32}|sq0(?:atp|csp|idp)-[A-Za-z0-9_\\-]{22,50}|EAAA[A-Za-z0-9_-]{60}"
    r"|AQE[A-Za-z0-9](?=[A-Za-z+/]*\d)[A-Za-z0-9+/]{55,}|access_token\$(?:production|sandbox)\$[0-9a-z]{16}\$[0-9a-f]{32}|FLW(?:SECK|PUBK)[A-Za-z0-9_-]{12,}|access-(?:sandbox|development|production)"
    r"-[0-9a-f-]{36}|(?:live|test)_(?:pub_)?[0-9a-f]{31,35}|rzp_(?:live|test)_[A-Za-z0-9]{14,}",
    "mail": r"(?:pub)?key-[0-9a-f]{32}|[0-9a-f]{32}-us\d{1,2}|xkeysib-[0-9a-f]{64}-[A-Za-z0-9]{16}|re_(?=[A-Za-z_]*\d)[A-Za-z0-9_]{30,}"
    r"|[0-9a-h]{32}-[0-9a-h]{8}-[0-9a-h]{8}",
    "chat": r"\d{5,16}:A[A-Za-z0-9_-]{34}|[MNO][A-Za-z\d_-]{23,25}\.[A-Za-z\d_-]{6}\.[A-Za-z\d_-]{27,38}|mfa\.[\w-]{84}",
    "issue trackers": r"pat-(?:na|eu)\d-[0-9a-f-]{36}|ATBB(?=[A-Za-z]*\d)[A-Za-z0-9]{32}|(?:sdk|mob|api)-[0-9a-f]{8}-[0-9a-f-]{27}|bk(?:ua|aj|ct)_[0-9a-f]{40}"
    r"|hooks\.zapier\.com/hooks/catch/\d+/[a-z0-9]{6,}|st\.[0-9a-f]{24}\.[0-9a-f]{32}\.[0-9a-f]{32}"
    r"|(?:BUNDLE_(?:ENTERPRISE|GEMS)__CONTRIBSYS__COM=)[0-9a-f]{8}:[0-9a-f]{8}|[0-9a-f]{8}:[0-9a-f]{8}@(?:gems|enterprise)\.contribsys\.com",
    "facebook": r"EAA[A-Za-z0-9]{2}[A-Za-z0-9]{80,}|EAACEdEose0cBA[A-Za-z0-9]+|\d{15,16}(?:\||%7C)(?=[A-Za-z_-]*\d)[A-Za-z0-9_-]{27,40}",
    "twitter": r"A{22}[A-Za-z0-9%]{80,100}|\d{15,20}-[A-Za-z0-9]{40}",
    "vaults": r"hv[sbr]\.[A-Za-z0-9_-]{24,}|(?<![\w.])s\.(?=[A-Za-z]*\d)[A-Za-z0-9]{24}(?!\w)|dp\.(?:pt|st|ct|sa|scim|audit)\."
    r"[A-Za-z0-9.]{40,}|ops_eyJ[A-Za-z0-9+/_=-]{50,}|A3-[A-Z0-9]{6}-(?:[A-Z0-9]{5,6}-?){5}|[\w.-]{14}\.atlasv1\.[\w=-]{60,}",
    "teams": r"ntn_\d{11}[A-Za-z0-9]{35}|secret_[A-Za-z0-9]{43}|lin_(?:api|oauth)_[A-Za-z0-9]{32,}|fig[duo]r?_[A-Za-z0-9_-]{40,}"
    r"|PMAK-[0-9a-f]{24}-[0-9a-f]{34}|pat[A-Za-z0-9]{14}\.[0-9a-f]{64}|ATATT3[A-Za-z0-9_=-]{60,}|fio-u-[\w=-]{64}|[ps]k\.eyJ[\w.-]{60,}"
    r"|[ps]k\.[a-z0-9]{60}\.[a-z0-9]{22}|rdme_[a-z0-9]{70}",
    "watchers": r"gl(?:c|sa)_[A-Za-z0-9_+/=]{32,}|eyJrIjoi[A-Za-z0-9]{60,}={0,2}|NR(?:AK|II|JS|RA|IQ)-[A-Za-z0-9-]{19,32}|sntry[su]_[A-Za-z0-9_+/=-]{40,}"
    r"|sgp_(?:[A-Za-z0-9]{5,16}_)?[0-9a-fA-F]{40}|pul-[0-9a-f]{40}|ph[cx]_[A-Za-z0-9]{40,}|dt0[a-z]\d\d\.[A-Z0-9]{24}\.[A-Z0-9]{64}"
    r"|ico-[A-Za-z0-9]{32}|shippo_(?:live|test)_[0-9a-f]{40}|[A-Za-z0-9]{6}_[A-Za-z0-9]{29}_mmk|sq[pua]_[0-9a-f]{40}",
    "others": r"s-s4t2(?:ud|af)-[0-9a-f]{64}|sl\.[A-Za-z0-9_-]{130,}|AGE-SECRET-KEY-1[A-Z0-9]{58}|duffel_(?:live|test)_[\w=-]{43}"
    r"|EZ[AT]K[A-Za-z0-9]{54}|CFPAT-[\w-]{43}|tfp_[A-Za-z0-9_.=-]{40,}|pscale_(?:tkn|pw|oauth)_[\w.=-]{32,}|4b1d[A-Za-z0-9]{38}"
    r"|p8e-[A-Za-z0-9]{32}|dnkey-[\w=-]{26}-[\w=-]{52}|(?:pat|sat)\.[\w-]{22}\.[A-Za-z0-9]{24}\.[A-Za-z0-9]{20}|pnu_[A-Za-z0-9]{36}"
    r"|sm_[aps]at_[A-Za-z0-9]{16}|API-[A-Z0-9]{26}|(?:sc|ext|scauth|authress)_[a-z0-9]{5,30}\.[a-z0-9]{4,6}\.acc[_-][a-z0-9-]{10,32}"
    r"\.[A-Za-z0-9+/_=-]{30,120}|aio_[A-Za-z0-9]{28}|tskey-[a-z]+-[A-Za-z0-9]+-[A-Za-z0-9]{20,}|[A-Za-z0-9]{8}-[A-Za-z0-9]{4}\.live\.[\w-]{40,}",
    "jwt": r"ey[A-Za-z0-9_-]{15,}\.ey[A-Za-z0-9_/\\-]{10,}\.[A-Za-z0-9_/\\-]{10,}|ZXlK[A-Za-z0-9_/+=-]{60,}",
}  # fmt: skip
"""Expressions by maker; case counts, and neither a letter nor a digit stands around a match."""

VENDORS = (
    "adafruit adobe airtable akamai aiven algolia alibaba anthropic artifactory asana atlassian auth0 aws azure bamboo bintray bitbucket bittrex "
    "bugsnag buildkite circleci clearbit clickhouse cloudant cloudflare cloudinary codacy codeclimate codecov cohere coinbase confluence "
    "confluent contentful contribsys coveralls datadog deepseek digitalocean discord docker doppler droneci dropbox duffel dynatrace "
    "elastic etsy eventbrite facebook fastly figma finicity finnhub firebase flickr foursquare freshbooks freshdesk gcp ghost github gitlab gitter "
    "gocardless grafana groq harness heroku honeybadger hubspot huggingface infura instagram intercom ipstack jenkins jfrog jira klaviyo "
    "kraken kucoin launchdarkly linear linkedin lob logdna loggly mailchimp mailgun mailjet mandrill mapbox mapquest mattermost "
    "messagebird meraki mistral mixpanel netlify newrelic new_relic nexmo notion npm nuget nytimes okta openai openweather opsgenie pagerduty "
    "paypal paystack pinecone pivotal plaid planetscale plivo postmark postman privateai private_ai pubnub pusher pypi quay rapidapi razorpay readme replicate "
    "rollbar salesforce segment sendbird sendgrid sendinblue sentry shippo shodan shopify sidekiq slack smartling snyk softlayer sonar "
    "sourcegraph splunk spotify square squarespace strava stripe sumo sumologic supabase telegram terraform todoist travis trello twilio twitch "
    "twitter typeform looker intra42 freemius settlemint cloudsmith backblaze namecheap vultr linode hetzner scaleway upcloud neon bunny wakatime godaddy unsplash vault vercel vonage webex wistia workday yandex yelp youtube zendesk zoho zoom"
).split()  # fmt: skip
"""Names that make a random value beside them a key: `ALGOLIA = "…"`."""
