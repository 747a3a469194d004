module kubelambda.dev/supervisor

go 1.24
