{{- define "shop.metadata" -}}
labels:
  app.kubernetes.io/part-of: shop
  {{- with .Values.labels }}{{ toYaml . | nindent 2 }}{{ end }}
{{- with .Values.annotations }}
annotations: {{ toYaml . | nindent 2 }}
{{- end }}
{{- end }}
