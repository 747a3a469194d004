module kubelambda.bench/go-proxy

go 1.25.0
