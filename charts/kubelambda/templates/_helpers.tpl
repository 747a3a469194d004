{{- define "kubelambda.name" -}}
{{ .Release.Name | trunc 40 | trimSuffix "-" }}
{{- end }}

{{- define "kubelambda.labels" -}}
app.kubernetes.io/name: kubelambda
app.kubernetes.io/instance: {{ .Release.Name }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version }}
{{- end }}

{{- define "kubelambda.selector" -}}
app.kubernetes.io/name: kubelambda
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end }}

{{- define "kubelambda.image" -}}
{{- with .Values.image -}}
{{- if .digest }}{{ .repository }}@{{ .digest }}{{ else }}{{ .repository }}:{{ .tag | default $.Chart.AppVersion }}{{ end -}}
{{- end -}}
{{- end }}

{{/* Restricted Pod Security for every pod of the chart. */}}
{{- define "kubelambda.podSecurity" -}}
runAsNonRoot: true
runAsUser: 10001
runAsGroup: 10001
fsGroup: 10001
seccompProfile: { type: RuntimeDefault }
{{- end }}

{{- define "kubelambda.containerSecurity" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
capabilities: { drop: [ALL] }
{{- end }}

{{- define "kubelambda.scheduling" -}}
{{- with .Values.imagePullSecrets }}
imagePullSecrets: {{ toYaml . | nindent 2 }}
{{- end }}
{{- with .Values.nodeSelector }}
nodeSelector: {{ toYaml . | nindent 2 }}
{{- end }}
{{- with .Values.tolerations }}
tolerations: {{ toYaml . | nindent 2 }}
{{- end }}
{{- with .Values.affinity }}
affinity: {{ toYaml . | nindent 2 }}
{{- end }}
{{- with .Values.priorityClassName }}
priorityClassName: {{ . }}
{{- end }}
{{- end }}

{{/* Empty where the Invoke API is served over TLS alone. */}}
{{- define "kubelambda.plainHTTP" -}}
{{- if or .Values.router.tls.plainHTTP (not .Values.router.tls.secretName) }}true{{ end -}}
{{- end }}

{{/* Of the router's Service, for what stands in front of it. */}}
{{- define "kubelambda.routerPort" -}}
{{- if include "kubelambda.plainHTTP" . }}{{ .Values.router.service.port }}{{ else }}443{{ end -}}
{{- end }}

{{/* Where functions find the Invoke API. */}}
{{- define "kubelambda.lambdaURL" -}}
{{- $host := printf "%s-router.%s.svc" (include "kubelambda.name" .) .Release.Namespace -}}
{{- if include "kubelambda.plainHTTP" . }}http://{{ $host }}:{{ .Values.router.service.port }}{{ else }}https://{{ $host }}{{ end -}}
{{- end }}

{{/* Replicas on different nodes, where there are some. Arguments: root, component. */}}
{{- define "kubelambda.spread" -}}
topologySpreadConstraints:
  - maxSkew: 1
    topologyKey: kubernetes.io/hostname
    whenUnsatisfiable: ScheduleAnyway
    labelSelector:
      matchLabels:
        {{- include "kubelambda.selector" .root | nindent 8 }}
        app.kubernetes.io/component: {{ .component }}
{{- end }}

{{/* A projected token whose audience is one of our processes. Arguments: audience, file. */}}
{{- define "kubelambda.tokenVolume" -}}
- name: token-{{ .file }}
  projected:
    sources:
      - serviceAccountToken: { audience: {{ .audience }}, expirationSeconds: 3600, path: {{ .file }} }
{{- end }}

{{/* Authorities of one's own for registries. */}}
{{- define "kubelambda.registryCA.mount" -}}
{{- with .Values.packages.registries.caBundle }}
{{- if or .configMapName .secretName }}
- { name: registry-ca, mountPath: /etc/kubelambda-registry-ca, readOnly: true }
{{- end }}
{{- end }}
{{- end }}

{{- define "kubelambda.registryCA.volume" -}}
{{- with .Values.packages.registries.caBundle }}
{{- if and .configMapName .secretName }}{{ fail "packages.registries.caBundle: name a ConfigMap or a Secret, not both" }}{{ end }}
{{- if .configMapName }}
- { name: registry-ca, configMap: { name: {{ .configMapName }}, items: [{ key: {{ .key | quote }}, path: bundle.pem }] } }
{{- else if .secretName }}
- { name: registry-ca, secret: { secretName: {{ .secretName }}, items: [{ key: {{ .key | quote }}, path: bundle.pem }] } }
{{- end }}
{{- end }}
{{- end }}

{{- define "kubelambda.registryCA.env" -}}
{{- with .Values.packages.registries.caBundle }}
{{- if or .configMapName .secretName }}
- { name: KUBELAMBDA_REGISTRY_CA_FILE, value: /etc/kubelambda-registry-ca/bundle.pem }
{{- end }}
{{- end }}
{{- end }}

{{- define "kubelambda.probes" -}}
livenessProbe: { httpGet: { path: /healthz, port: health }, periodSeconds: 10, timeoutSeconds: 5, failureThreshold: 6 }
readinessProbe: { httpGet: { path: /readyz, port: health }, periodSeconds: 2, timeoutSeconds: 2 }
startupProbe: { httpGet: { path: /healthz, port: health }, periodSeconds: 1, failureThreshold: 60 }
{{- end }}

{{/* What hosts of function URLs end in; empty: they are told apart by path. */}}
{{- define "kubelambda.functionUrlHost" -}}
{{- with .Values.functionUrls.domain }}lambda-url.{{ $.Values.region }}.{{ . }}{{ end -}}
{{- end }}

{{/* The pattern of function URLs. */}}
{{- define "kubelambda.functionUrl" -}}
{{- $port := int .Values.router.service.port -}}
{{- $host := printf "%s-router.%s" (include "kubelambda.name" .) .Release.Namespace -}}
{{- $plain := printf "http://%s%s" $host (ternary "" (printf ":%d" $port) (eq $port 80)) -}}
{{- $service := ternary $plain (printf "https://%s" $host) (ne (include "kubelambda.plainHTTP" .) "") -}}
{{- with include "kubelambda.functionUrlHost" . -}}
{{ $.Values.functionUrls.scheme }}://{id}.{{ . }}/
{{- else -}}
{{ .Values.functionUrls.baseURL | default $service }}/lambda-url/{id}/
{{- end -}}
{{- end }}

{{/* Hosts of a route, as a JSON object with a list. Arguments: root, host, what. */}}
{{- define "kubelambda.routeHosts" -}}
{{- $hosts := list -}}
{{- with .host }}{{ $hosts = append $hosts . }}{{ end -}}
{{- with include "kubelambda.functionUrlHost" .root }}{{ $hosts = append $hosts (printf "*.%s" .) }}{{ end -}}
{{- if not $hosts }}{{ fail (printf "%s has no host: set %s.host, functionUrls.domain or both" .what .what) }}{{ end -}}
{{- dict "hosts" $hosts | toJson -}}
{{- end }}

{{/* Who reaches the port of metrics and health, as a rule of ingress; nothing: nobody but the node's kubelet, which no policy keeps off. */}}
{{- define "kubelambda.metricsRule" -}}
{{- with .Values.networkPolicy.metricsFrom -}}
- ports: [{ port: health }]
  from: {{ toYaml . | nindent 4 }}
{{- end }}
{{- end }}
